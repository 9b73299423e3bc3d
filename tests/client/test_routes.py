from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import example

from airflow_wechat.client.errors import (
    AskPermissionError,
    CheckAnswerError,
    FixRequestError,
    RenewTokenError,
    TryAgainError,
    WaitForDataError,
    WeChatError,
)
from airflow_wechat.client.periods import Granularity
from airflow_wechat.client.reports import REPORTS, Report
from airflow_wechat.client.routes import INVOKE_PATH, by_cloud_function, by_https
from fuzzing import any_text, fuzzed, json_values

DAILY = REPORTS["daily_visit_trend"]
WEEK = Granularity.WEEKLY.period_of(date(2017, 3, 6))
MONDAY = Granularity.DAILY.period_of(date(2017, 3, 6))
CALL = "openapi.analysis.getDailyVisitTrend"


def returning(returned: Any) -> dict[str, Any]:
    text = returned if isinstance(returned, str) else json.dumps(returned)
    return {"errcode": 0, "errmsg": "ok", "resp_data": text}


def read(returned: Any) -> dict[str, Any]:
    return by_cloud_function("e", "f")(DAILY, MONDAY).read(returning(returned))


def test_https_asks_the_reports_path_for_both_days() -> None:
    question = by_https(REPORTS["weekly_visit_trend"], WEEK)

    assert question.path == "/datacube/getweanalysisappidweeklyvisittrend"
    assert question.body == {"begin_date": "20170306", "end_date": "20170312"}
    assert question.query == {}


@pytest.mark.parametrize("report", REPORTS.values(), ids=list(REPORTS))
def test_a_cloud_call_hands_the_functions_event_to_its_environment(report: Report) -> None:
    question = by_cloud_function("prod-1", "wechatReports")(report, WEEK)

    assert question.path == INVOKE_PATH
    assert question.query == {"env": "prod-1", "name": "wechatReports"}
    assert question.body == {
        "api": f"get{report.granularity.title()}VisitTrend",
        "beginDate": "20170306",
        "endDate": "20170312",
    }


def test_what_the_function_returns_reads_as_https_answers() -> None:
    entry = {"refDate": "20170306", "sessionCnt": 1, "visitPv": 2, "visitUv": 3, "visitUvNew": 4}
    entry |= {"stayTimeUv": 5.5, "stayTimeSession": 6, "visitDepth": 7.25}

    answer = read({"list": [entry], "errMsg": f"{CALL}:ok", "errCode": 0})

    assert answer["list"] == [
        {"ref_date": "20170306", "session_cnt": 1, "visit_pv": 2, "visit_uv": 3, "visit_uv_new": 4}
        | {"stay_time_uv": 5.5, "stay_time_session": 6, "visit_depth": 7.25}
    ]


def test_fields_nobody_knows_get_names_of_the_same_kind() -> None:
    answer = read({"list": [{"someNewField": {"innerPart": [{"deepestOne": 1}]}}]})

    assert answer["list"] == [{"some_new_field": {"inner_part": [{"deepest_one": 1}]}}]


@pytest.mark.parametrize(
    ("errcode", "error"),
    [
        (61503, WaitForDataError),
        (61501, FixRequestError),
        (40001, RenewTokenError),
        (-604101, AskPermissionError),
        (-604102, TryAgainError),
        (-1, TryAgainError),
        (99999, WeChatError),
    ],
)
@pytest.mark.parametrize("names", [("errCode", "errMsg"), ("errcode", "errmsg")])
def test_an_error_inside_a_successful_call_is_the_error_it_is_over_https(
    errcode: int, error: type[WeChatError], names: tuple[str, str]
) -> None:
    with pytest.raises(error, match="the words rid: 1-2-3") as caught:
        read({names[0]: errcode, names[1]: "the words rid: 1-2-3"})

    assert type(caught.value) is error
    assert (caught.value.errcode, caught.value.path) == (errcode, CALL)


def test_an_error_of_the_call_itself_names_the_call() -> None:
    question = by_cloud_function("e", "f")(DAILY, MONDAY)

    with pytest.raises(FixRequestError, match="correct cloud_env and cloud_function_name") as caught:
        question.read({"errcode": -501000, "errmsg": "env not exists"})

    assert caught.value.path == INVOKE_PATH


def test_a_missing_permission_says_where_to_declare_it() -> None:
    with pytest.raises(AskPermissionError, match=r"config\.json under permissions\.openapi"):
        read({"errCode": -604101, "errMsg": "system error: error code: -604101"})


@pytest.mark.parametrize("errcode", [-501002, -504003, -604102])
def test_a_function_that_was_too_slow_says_what_the_limits_are(errcode: int) -> None:
    with pytest.raises(TryAgainError, match="a call from outside 5 s"):
        by_cloud_function("e", "f")(DAILY, MONDAY).read({"errcode": errcode, "errmsg": "timed out"})


def test_a_function_that_threw_says_so() -> None:
    thrown = {"errorCode": 1, "errorMessage": "user code exception caught", "stackTrace": "at …"}

    with pytest.raises(CheckAnswerError, match=f"^from {CALL}: the cloud function failed") as caught:
        read(thrown)

    assert "'user code exception caught'. What to do: see its log in WeChat's console." in str(caught.value)


@pytest.mark.parametrize("answer", [{}, {"resp_data": None}, {"resp_data": {}}, {"resp_data": 7}])
def test_a_call_that_returns_no_text_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(CheckAnswerError, match=f"^from {INVOKE_PATH}: no resp_data in the answer"):
        by_cloud_function("e", "f")(DAILY, MONDAY).read({"errcode": 0} | answer)


def test_a_return_that_is_no_json_names_the_call_that_was_made() -> None:
    with pytest.raises(CheckAnswerError, match="not JSON") as caught:
        read("<html>")

    assert caught.value.path == by_cloud_function("e", "f")(DAILY, MONDAY).name == CALL


def test_a_token_refused_inside_the_function_is_not_taken_for_ours() -> None:
    with pytest.raises(RenewTokenError, match="a token of its cloud environment, not with ours"):
        read({"errCode": 40001, "errMsg": "invalid credential"})


@fuzzed("whatever a cloud function returns: an object, or a documented error", json_values | any_text)
@example('{"list": "\\ud800"}')
@example("\ud800")
@example('{"list":' * 900 + "[]" + "}" * 900)
def test_whatever_a_function_returns_is_read_or_refused(returned: Any) -> None:
    try:
        answer = read(returned)
    except WeChatError:
        return
    assert isinstance(answer, dict)
