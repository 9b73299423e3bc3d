from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from airflow_wechat.client.reports import REPORTS, Report
from airflow_wechat.cloud_function import FUNCTION_NAME, copy_to
from cloud_function.cloud_node import FOLDER, find_node, run_function

DAY = {"api": "getDailyVisitTrend", "beginDate": "20170313", "endDate": "20170313"}
ANSWER = {
    "list": [
        {
            "refDate": "20170313",
            "sessionCnt": 142549,
            "visitPv": 472351,
            "visitUv": 55500,
            "visitUvNew": 5464,
            "stayTimeSession": 0,
            "visitDepth": 1.9838,
        }
    ]
}
README = (FOLDER / "README.md").read_text(encoding="utf-8")

every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=list(REPORTS))


def api_of(report: Report) -> str:
    return report.cloud_call.removeprefix("openapi.analysis.")


def permissions() -> list[str]:
    config = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    return list(config["permissions"]["openapi"])


@every_report
def test_every_report_has_its_permission(report: Report) -> None:
    assert report.cloud_call.removeprefix("openapi.") in permissions()


def test_nothing_but_the_reports_is_permitted() -> None:
    assert len(permissions()) == len(REPORTS)


@every_report
def test_every_report_is_asked_for_by_its_own_call(report: Report) -> None:
    ran = run_function({**DAY, "api": api_of(report)})

    assert [call["name"] for call in ran.calls] == [report.cloud_call]


def test_the_two_dates_are_passed_on_and_nothing_else() -> None:
    # WeChat itself adds userInfo to the event of a call through the HTTP API.
    event = {
        **DAY,
        "endDate": "20170319",
        "userInfo": {"appId": "wx0"},
        "appid": "wx1",
        "begin_date": "20180101",
    }

    ran = run_function(event)

    assert [call["data"] for call in ran.calls] == [{"beginDate": "20170313", "endDate": "20170319"}]


def test_the_answer_is_returned_as_it_is() -> None:
    ran = run_function(DAY, answer=ANSWER)

    assert ran.returned == {**ANSWER, "errMsg": "openapi.analysis.getDailyVisitTrend:ok", "errCode": 0}


def test_an_empty_answer_is_returned_as_it_is() -> None:
    assert run_function(DAY, answer={"list": []}).returned["list"] == []


def test_it_runs_in_the_environment_it_is_deployed_to() -> None:
    assert run_function(DAY).init == {"env": "DYNAMIC_CURRENT_ENV"}


@pytest.mark.parametrize(
    ("errcode", "errmsg"),
    [
        (-1, "system error"),
        (-604102, "call open API timeout"),
        (45009, "reach max api daily quota limit"),
        (48001, "api unauthorized"),
        (61501, "date range error rid: 613f14c0-1b1ad127-7d3cab45"),
        (61503, "data not ready, please try later rid: 613f14c0-1b1ad127-7d3cab45"),
    ],
)
def test_an_error_of_wechat_is_returned_with_its_code_and_words(errcode: int, errmsg: str) -> None:
    ran = run_function(DAY, error={"errCode": errcode, "errMsg": errmsg})

    assert ran.returned == {
        "errCode": errcode,
        "errMsg": f"openapi.analysis.getDailyVisitTrend:fail {errmsg}",
    }


@pytest.mark.parametrize(
    "error",
    [
        {"message": "socket hang up"},
        {"errCode": "ECONNRESET", "errMsg": "socket hang up"},
        {"errCode": None, "errMsg": "socket hang up"},
        {"errCode": 0, "errMsg": "socket hang up"},  # would be taken for success
        {"errCode": 1.5, "errMsg": "socket hang up"},
    ],
    ids=str,
)
def test_an_error_without_a_code_is_a_failed_function_not_a_busy_wechat(error: dict[str, Any]) -> None:
    ran = run_function(DAY, error=error)

    assert ran.returned["errCode"] == -504002
    assert "socket hang up" in ran.returned["errMsg"]


@every_report
def test_a_permission_that_is_missing_is_reported(report: Report, tmp_path: Path) -> None:
    folder = copy_to(tmp_path)
    (folder / "config.json").write_text('{"permissions": {"openapi": []}}', encoding="utf-8")

    ran = run_function({**DAY, "api": api_of(report)}, folder=folder)

    assert ran.returned == {"errCode": -604101, "errMsg": "system error: error code: -604101"}


@pytest.mark.parametrize(
    "api",
    [
        "getDailyRetain",
        "getdailyvisittrend",
        "getDailyVisitTrend ",
        "analysis.getDailyVisitTrend",
        "constructor",
        "__proto__",
        "toString",
        "",
        "0",
        0,
        True,
        None,
        ["getDailyVisitTrend"],
        {"getDailyVisitTrend": 1},
    ],
    ids=repr,
)
def test_an_api_that_is_no_reports_is_refused_and_calls_nothing(api: object) -> None:
    ran = run_function({**DAY, "api": api})

    assert (ran.returned["errCode"], ran.calls) == (40097, [])


@pytest.mark.parametrize("event", [None, {}, [], "getDailyVisitTrend", 1, True], ids=repr)
def test_an_event_without_an_api_is_refused_and_calls_nothing(event: object) -> None:
    ran = run_function(event)

    assert (ran.returned["errCode"], ran.calls) == (40097, [])


def test_a_refused_api_is_named_beside_those_allowed() -> None:
    errmsg = run_function({**DAY, "api": "getDailyRetain"}).returned["errMsg"]

    assert errmsg == (
        'refused: api is "getDailyRetain", allowed are '
        "getDailyVisitTrend, getWeeklyVisitTrend, getMonthlyVisitTrend"
    )


@pytest.mark.parametrize("name", ["beginDate", "endDate"])
@pytest.mark.parametrize(
    "date",
    [
        "2017-03-13",
        "2017031",
        "201703133",
        "20170313\n",
        " 20170313",
        "\uff12\uff10\uff11\uff17\uff10\uff13\uff11\uff13",  # full-width digits
        "",
        20170313,
        None,
        ["20170313"],
    ],
    ids=ascii,
)
def test_a_date_that_is_no_string_of_8_digits_is_refused_and_calls_nothing(name: str, date: object) -> None:
    ran = run_function({**DAY, name: date})

    assert (ran.returned["errCode"], ran.calls) == (61500, [])


def test_a_refused_date_is_named() -> None:
    errmsg = run_function({**DAY, "endDate": "2017-03-13"}).returned["errMsg"]

    assert errmsg == (
        'refused: dates are {"beginDate":"20170313","endDate":"2017-03-13"}, '
        'allowed are strings such as "20170313"'
    )


@pytest.mark.parametrize("caller", [{"openid": "oUser"}, {"from_openid": "oUser"}], ids=["own", "another"])
def test_a_user_of_a_mini_program_is_refused_and_calls_nothing(caller: dict[str, Any]) -> None:
    ran = run_function(DAY, answer=ANSWER, **caller)

    assert (ran.returned["errCode"], ran.calls) == (48001, [])


def test_an_openid_in_the_event_is_no_caller() -> None:
    assert len(run_function({**DAY, "OPENID": "oUser"}).calls) == 1


def test_copy_to_writes_every_file_as_it_is(tmp_path: Path) -> None:
    target = copy_to(tmp_path)

    copied = {path.name: path.read_bytes() for path in target.iterdir()}
    assert copied == {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_copy_to_makes_the_functions_folder_and_names_it(tmp_path: Path) -> None:
    assert copy_to(tmp_path / "mini" / "cloudfunctions") == (
        tmp_path / "mini" / "cloudfunctions" / "wechatReports"
    )


def test_copy_to_fills_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / FUNCTION_NAME).mkdir()

    assert (copy_to(tmp_path) / "index.js").is_file()


def test_copy_to_leaves_a_folder_with_files_alone(tmp_path: Path) -> None:
    target = tmp_path / FUNCTION_NAME
    target.mkdir()
    (target / "own.js").touch()

    with pytest.raises(ValueError, match=re.escape(str(target)) + ".*move or delete it"):
        copy_to(tmp_path)

    assert [path.name for path in target.iterdir()] == ["own.js"]


def test_the_copied_function_runs(tmp_path: Path) -> None:
    assert run_function(DAY, answer=ANSWER, folder=copy_to(tmp_path)).returned["list"] == ANSWER["list"]


def test_its_syntax_is_accepted_by_node() -> None:
    subprocess.run([find_node(), "--check", str(FOLDER / "index.js")], check=True, timeout=30)


def test_its_only_dependency_is_wechats_sdk() -> None:
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))

    assert list(package["dependencies"]) == ["wx-server-sdk"]
    assert package["private"] is True


def test_every_event_in_the_readme_is_answered() -> None:
    events = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", README, re.DOTALL)]
    events = [event for event in events if "api" in event]

    assert len(events) == 2
    assert all(run_function(event, answer=ANSWER).returned["errCode"] == 0 for event in events)


@pytest.mark.parametrize("errcode", [-604101, -504002, 40097, 61500, 48001])
def test_the_readme_explains_every_code_of_the_function_in_both_languages(errcode: int) -> None:
    assert README.count(f"\n| {errcode} |") == 2


def test_a_missing_node_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("cloud_function.cloud_node.find_spec", lambda name: None)

    with pytest.raises(RuntimeError, match="node is needed to test the cloud function: Debian's nodejs"):
        run_function(DAY)
