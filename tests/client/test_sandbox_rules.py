"""The sandbox keeps WeChat's rules for calls, periods, publishing and quotas."""

from __future__ import annotations

import re
from datetime import date

import pytest
import requests

from airflow_wechat.sandbox import Sandbox
from client.sandboxed import CLASSIC, DAILY, MONTHLY, QUOTA, STABLE, WEEKLY, Caller

RID = re.compile(r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$")


# What every call must be


@pytest.mark.parametrize("path", [STABLE, QUOTA, DAILY.path, WEEKLY.path, MONTHLY.path])
@pytest.mark.parametrize(
    ("method", "body", "errcode"),
    [
        ("GET", b"", 43002),
        ("PUT", b"{}", 43002),
        ("POST", b"", 44002),
        ("POST", b"begin_date=20261101", 47001),
        ("POST", b"[]", 47001),
        ("POST", b"[" * 100_000, 47001),
        ("POST", b"\xff\xfe", 47001),
    ],
)
def test_a_call_that_is_no_post_of_an_object_is_refused(caller, path, method, body, errcode):
    query = {"access_token": caller.stable()["access_token"]}

    answer = caller.send(method, path, params=query, data=body).json()

    assert answer["errcode"] == errcode


def test_the_classic_token_needs_get(caller):
    assert caller.post(CLASSIC, caller.credentials())["errcode"] == 43001


@pytest.mark.parametrize("path", [QUOTA, DAILY.path])
def test_the_token_is_looked_at_before_method_and_body(caller, path):
    assert caller.send("GET", path, params={"access_token": "unknown"}).json()["errcode"] == 40001
    assert caller.send("GET", path).json()["errcode"] == 41001


def test_a_path_nobody_knows_is_an_error_of_wechat(caller):
    assert caller.post("/datacube/unknown", {})["errcode"] == 40066


def test_a_refusal_has_status_200_wechats_content_type_and_a_rid_of_its_own(caller):
    responses: list[requests.Response] = [caller.send("POST", DAILY.path) for _ in range(2)]

    for response in responses:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/json; encoding=utf-8"
        assert set(response.json()) == {"errcode", "errmsg"}
        assert RID.search(response.json()["errmsg"])
    assert responses[0].json() != responses[1].json()


# Which period may be asked for, and when: it is Monday 2026-11-23, noon in Beijing


@pytest.mark.parametrize(
    ("report", "begin", "end", "ref_date"),
    [
        (DAILY, "20261122", "20261122", "20261122"),
        (DAILY, "20240229", "20240229", "20240229"),
        (WEEKLY, "20261116", "20261122", "20261116-20261122"),
        (WEEKLY, "20241230", "20250105", "20241230-20250105"),
        (MONTHLY, "20261001", "20261031", "202610"),
        (MONTHLY, "20240201", "20240229", "202402"),
    ],
)
def test_a_success_is_a_list_of_one_row_and_nothing_else(caller, report, begin, end, ref_date):
    answer = caller.report(begin, end, report=report)

    assert set(answer) == {"list"}
    (row,) = answer["list"]
    assert list(row) == ["ref_date", *(field.name for field in report.fields)]
    assert row["ref_date"] == ref_date


@pytest.mark.parametrize(
    ("report", "begin", "end"),
    [
        (DAILY, "20261120", "20261121"),  # two dates
        (DAILY, "20261121", "20261120"),
        (DAILY, "20261123", "20261123"),  # today
        (DAILY, "20261124", "20261124"),
        (DAILY, "99991231", "99991231"),
        (WEEKLY, "20261117", "20261123"),  # no Monday
        (WEEKLY, "20261115", "20261121"),
        (WEEKLY, "20261116", "20261121"),  # no Sunday
        (WEEKLY, "20261109", "20261122"),  # two weeks
        (WEEKLY, "20261123", "20261129"),  # this week
        (MONTHLY, "20261002", "20261031"),
        (MONTHLY, "20261001", "20261030"),
        (MONTHLY, "20260901", "20261031"),  # two months
        (MONTHLY, "20261101", "20261130"),  # this month
        (MONTHLY, "20250201", "20250301"),
    ],
)
def test_what_is_no_whole_period_that_is_over_is_no_date_range(caller, report, begin, end):
    assert caller.report(begin, end, report=report)["errcode"] == 61501


@pytest.mark.parametrize(
    "text", ["2026-11-01", "202611", "20261301", "20260229", "2026110a", " 20261101", "２０２６１１０１", ""]
)
def test_a_date_is_eight_digits_of_the_calendar(caller, text):
    body = {"begin_date": text, "end_date": "20261101"}
    token = caller.stable()["access_token"]

    assert caller.post(DAILY.path, body, access_token=token)["errcode"] == 61500
    assert caller.post(DAILY.path, body | {"begin_date": "20261101", "end_date": text}, access_token=token)[
        "errcode"
    ] == (61500)


@pytest.mark.parametrize("value", [20261101, None, True, ["20261101"], 2.5])
def test_a_date_that_is_no_text_makes_the_body_unreadable(caller, value):
    token = caller.stable()["access_token"]

    answer = caller.post(DAILY.path, {"begin_date": value, "end_date": value}, access_token=token)

    assert answer["errcode"] == 47001


def test_a_missing_date_is_a_wrong_one(caller):
    token = caller.stable()["access_token"]

    assert caller.post(DAILY.path, {"begin_date": "20261101"}, access_token=token)["errcode"] == 61500


@pytest.mark.parametrize(
    ("report", "begin", "end", "next_day"),
    [
        (DAILY, "20261122", "20261122", "2026-11-23"),
        (WEEKLY, "20261116", "20261122", "2026-11-23"),
        (MONTHLY, "20261001", "20261031", "2026-11-01"),
    ],
)
def test_a_period_is_over_at_midnight_in_beijing_and_published_at_ten(
    caller, clock, report, begin, end, next_day
):
    errcodes = []
    day_before = date.fromisoformat(end).isoformat()
    for moment in (f"{day_before}T23:59:59", f"{next_day}T00:00:00", f"{next_day}T09:59:59"):
        clock.set(f"{moment}+08:00")
        errcodes.append(caller.report(begin, end, report=report)["errcode"])
    clock.set(f"{next_day}T10:00:00+08:00")

    assert errcodes == [61501, 61503, 61503]
    assert caller.report(begin, end, report=report)["list"]


def test_beijing_is_what_counts_whatever_zone_the_clock_is_in(caller, clock):
    clock.set("2026-11-23T01:59:59+00:00")
    assert caller.report("20261122")["errcode"] == 61503
    clock.set("2026-11-22T21:00:00-05:00")
    assert caller.report("20261122")["list"]


def test_the_publishing_hour_is_an_option(clock):
    clock.set("2026-11-23T00:00:00+08:00")
    with Sandbox(clock=clock, publish_hour=0) as sandbox:
        assert Caller(sandbox).report("20261122")["list"]


@pytest.mark.parametrize(
    ("report", "begin", "end"),
    [
        (DAILY, "20170108", "20170108"),
        (WEEKLY, "20170102", "20170108"),
        (MONTHLY, "20161201", "20161231"),
        (DAILY, "00010101", "00010101"),
    ],
)
def test_before_there_were_mini_programs_the_list_is_empty(caller, report, begin, end):
    assert caller.report(begin, end, report=report) == {"list": []}


def test_stay_time_uv_can_be_left_out_as_in_wechats_samples(clock):
    with Sandbox(clock=clock, stay_time_uv=False) as sandbox:
        (row,) = Caller(sandbox).report("20261101")["list"]

    assert "stay_time_uv" not in row
    assert "stay_time_session" in row


# Quotas


def test_the_daily_quota_is_each_reports_own_and_begins_anew_at_midnight_in_beijing(clock):
    with Sandbox(clock=clock, daily_quota=2) as sandbox:
        caller = Caller(sandbox)
        answers = [caller.report("20261101") for _ in range(3)]
        other = caller.report("20261116", "20261122", report=WEEKLY)
        clock.set("2026-11-23T16:00:00+00:00")
        after = caller.report("20261101")

    assert [answer.get("errcode") for answer in (*answers, other, after)] == [None, None, 45009, None, None]


def test_the_minute_rate_lets_through_again_in_the_next_minute(clock):
    with Sandbox(clock=clock, minute_rate=1) as sandbox:
        caller = Caller(sandbox)
        answers = [caller.report("20261101") for _ in range(2)]
        clock.turn_on(60)
        after = caller.report("20261101")

    assert [answer.get("errcode") for answer in (*answers, after)] == [None, 45011, None]


def test_the_quota_can_be_asked_for_and_counts_successes(clock):
    with Sandbox(clock=clock, daily_quota=50, minute_rate=30) as sandbox:
        caller = Caller(sandbox)
        token = caller.stable()["access_token"]
        for day in ("20261101", "20261102", "not a day"):
            caller.report(day, token=token)

        answer = caller.post(QUOTA, {"cgi_path": DAILY.path}, access_token=token)

    assert answer == {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": 50, "used": 2, "remain": 48},
        "rate_limit": {"call_count": 30, "refresh_second": 60},
    }


@pytest.mark.parametrize("path", ["/datacube/unknown", None, 7, ["a"]])
def test_the_quota_of_an_unknown_path_is_refused(caller, path):
    token = caller.stable()["access_token"]

    assert caller.post(QUOTA, {"cgi_path": path}, access_token=token)["errcode"] == 76021
