"""The sandbox's cloud function and its Cloud Run container."""

from __future__ import annotations

import json
import shutil
from datetime import date
from typing import Any

import pytest

from airflow_wechat.client.errors import (
    AskPermissionError,
    TryAgainError,
    WaitForDataError,
    WaitForQuotaError,
)
from airflow_wechat.sandbox import App, Sandbox
from client.sandboxed import DAILY, INVOKE, MONTHLY, WEEKLY, Caller, HandClock, client_by
from cloud_function.cloud_node import run_function

DAY = {"api": "getDailyVisitTrend", "beginDate": "20261101", "endDate": "20261101"}


def returned(answer: Any) -> Any:
    """What the function returned, by the answer to its invocation."""
    assert (answer["errcode"], answer["errmsg"]) == (0, "ok")
    return json.loads(answer["resp_data"])


def camel(row: dict[str, Any]) -> dict[str, Any]:
    words = ((name.split("_"), value) for name, value in row.items())
    return {first + "".join(map(str.title, rest)): value for (first, *rest), value in words}


# What the function returns


@pytest.mark.parametrize(
    ("report", "api", "begin", "end"),
    [
        (DAILY, "getDailyVisitTrend", "20261101", "20261101"),
        (WEEKLY, "getWeeklyVisitTrend", "20261109", "20261115"),
        (MONTHLY, "getMonthlyVisitTrend", "20261001", "20261031"),
    ],
)
def test_it_returns_the_numbers_of_the_https_api_in_camel_case(caller, report, api, begin, end):
    (row,) = caller.report(begin, end, report=report)["list"]

    answer = caller.invoke({"api": api, "beginDate": begin, "endDate": end})

    assert set(answer) == {"errcode", "errmsg", "resp_data"}
    assert returned(answer) == {"list": [camel(row)], "errMsg": f"openapi.analysis.{api}:ok", "errCode": 0}


@pytest.mark.parametrize(
    ("begin", "end", "errcode"),
    [
        ("20261101", "20261102", 61501),
        ("20261123", "20261123", 61501),
        ("20260230", "20260230", 61500),
    ],
)
def test_what_wechat_refuses_is_an_error_inside_a_successful_call(caller, begin, end, errcode):
    error = returned(caller.invoke({"api": "getDailyVisitTrend", "beginDate": begin, "endDate": end}))

    assert set(error) == {"errCode", "errMsg"}
    assert error["errCode"] == errcode
    assert error["errMsg"].startswith("openapi.analysis.getDailyVisitTrend:fail ")
    assert " rid: " in error["errMsg"]


def test_a_day_is_published_at_ten_here_too(caller, clock):
    event = DAY | {"beginDate": "20261122", "endDate": "20261122"}
    clock.set("2026-11-23T09:59:59+08:00")
    assert returned(caller.invoke(event))["errCode"] == 61503
    clock.set("2026-11-23T10:00:00+08:00")
    assert returned(caller.invoke(event))["list"]


def test_the_quota_is_the_one_of_the_https_api(clock):
    with Sandbox(clock=clock, daily_quota=2) as sandbox:
        caller = Caller(sandbox)
        caller.report("20261101")
        caller.invoke(DAY)

        assert returned(caller.invoke(DAY))["errCode"] == 45009


def test_cloud_calls_need_their_permission(sandbox, caller):
    sandbox.revoke("cloud_function")

    assert returned(caller.invoke(DAY))["errCode"] == -604101
    assert caller.report("20261101")["list"]


ODD_EVENTS = [
    {},
    {"api": "getDailyRetain", "beginDate": "20261101", "endDate": "20261101"},
    {"api": ["getDailyVisitTrend"]},
    {"api": None},
    {"api": "名"},
    {"api": "getDailyVisitTrend"},
    DAY | {"beginDate": "2026-11-01"},
    DAY | {"beginDate": 20261101},
    DAY | {"endDate": None},
    DAY | {"endDate": "20261101\n"},
]


@pytest.mark.parametrize("event", ODD_EVENTS, ids=str)
@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_what_the_function_itself_refuses_it_refuses_in_its_own_words(caller, event):
    assert returned(caller.invoke(event)) == run_function(event).returned


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_a_success_is_what_the_function_returns_for_it(caller):
    found = returned(caller.invoke(DAY))

    assert run_function(DAY, answer={"list": found["list"]}).returned == found


# The invocation


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({"access_token": ""}, 41001),
        ({"access_token": "wrong"}, 40001),
        ({"env": "other"}, -501000),
        ({"env": ""}, -501000),
        ({"name": "other"}, -501009),
    ],
)
def test_an_invocation_that_does_not_reach_the_function_is_refused_outside(caller, query, errcode):
    answer = caller.invoke(DAY, **query)

    assert set(answer) == {"errcode", "errmsg"}
    assert answer["errcode"] == errcode


@pytest.mark.parametrize(("body", "errcode"), [(b"", 44002), (b"api=x", 47001), (b"[]", 47001)])
def test_an_event_is_a_json_object(caller, body, errcode):
    query = {"access_token": caller.stable()["access_token"], "env": "sandbox-env", "name": "wechatReports"}

    assert caller.send("POST", INVOKE, params=query, data=body).json()["errcode"] == errcode


def test_the_journal_has_the_event_and_the_errcode_inside(sandbox, caller):
    today = DAY | {"beginDate": "20261123", "endDate": "20261123"}
    for event, query in ((DAY, {}), (today, {}), (DAY, {"env": "other"})):
        caller.invoke(event, **query)

    calls = [request for request in sandbox.requests if request.path == INVOKE]

    assert [call.body for call in calls] == [DAY, today, DAY]
    assert [call.answered for call in calls] == [0, 61501, -501000]


# Failures


def seen_with(clock: HandClock, kind: str) -> Any:
    with Sandbox(clock=clock, failures={kind: 1.0}) as sandbox:
        caller = Caller(sandbox)
        query = {
            "access_token": caller.stable()["access_token"],
            "env": "sandbox-env",
            "name": "wechatReports",
        }
        return caller.send("POST", INVOKE, params=query, json=DAY)


@pytest.mark.parametrize("kind", ["-1", "61504", "40001"])
def test_an_errcode_that_is_made_up_comes_inside_the_successful_call(clock, kind):
    assert returned(seen_with(clock, kind).json())["errCode"] == int(kind)


@pytest.mark.parametrize(("kind", "seen"), [("empty", 0), ("twice", 2), ("other", 1), ("text", 1)])
def test_spoilt_rows_come_inside_too(clock, kind, seen):
    found = returned(seen_with(clock, kind).json())

    assert (len(found["list"]), found["errCode"]) == (seen, 0)


@pytest.mark.parametrize(("kind", "status"), [("http503", 503), ("html", 200)])
def test_a_gateway_in_trouble_answers_in_the_functions_place(clock, kind, status):
    response = seen_with(clock, kind)

    assert response.status_code == status
    assert response.text.startswith("<html>")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("-1", TryAgainError),
        ("61503", WaitForDataError),
        ("45009", WaitForQuotaError),
        ("48001", AskPermissionError),
    ],
)
def test_our_client_sees_the_errcode_inside_as_its_documented_error(clock, kind, error):
    period = DAILY.granularity.period_of(date(2026, 11, 1))
    with Sandbox(clock=clock, failures={kind: 1.0}) as sandbox, pytest.raises(error) as caught:
        client_by("cloud_function", sandbox).fetch(DAILY, period)

    assert (caught.value.errcode, caught.value.path) == (int(kind), DAILY.cloud_call)


# Cloud Run


def test_inside_cloud_run_a_report_needs_no_token_and_its_answer_is_marked(clock):
    apps = (App("wx1111111111111111", "one"), App("wx2222222222222222", "two"))
    body = {"begin_date": "20261101", "end_date": "20261101"}
    with Sandbox(clock=clock, apps=apps, cloud_run=True) as sandbox:
        caller = Caller(sandbox)
        response = caller.send("POST", DAILY.path, json=body)
        usual = caller.send(
            "POST", DAILY.path, json=body, params={"access_token": sandbox.stable_token(apps[0])}
        )

    assert response.json() == usual.json()
    assert response.headers["x-openapi-seqid"]
    assert "x-openapi-seqid" not in usual.headers


def test_inside_cloud_run_a_token_that_is_given_must_be_good(clock):
    with Sandbox(clock=clock, cloud_run=True) as sandbox:
        assert Caller(sandbox).report("20261101", token="wrong")["errcode"] == 40001


@pytest.mark.parametrize("path", ["/cgi-bin/openapi/quota/get", INVOKE])
def test_inside_cloud_run_nothing_but_reports_goes_without_a_token(clock, path):
    with Sandbox(clock=clock, cloud_run=True) as sandbox:
        assert Caller(sandbox).post(path, {})["errcode"] == 41001


@pytest.mark.parametrize("inside", [True, False])
def test_the_containers_token_is_taken_everywhere_and_a_wrong_one_nowhere(clock, inside):
    body = {"begin_date": "20261101", "end_date": "20261101"}
    with Sandbox(clock=clock, cloud_run=inside) as sandbox:
        caller = Caller(sandbox)
        good = caller.post(DAILY.path, body, cloudbase_access_token=sandbox.cloudbase_access_token)
        wrong = [caller.post(DAILY.path, body, cloudbase_access_token=token) for token in ("wrong", "")]

    assert good["list"]
    assert [answer["errcode"] for answer in wrong] == [40001, 40001]
