"""The doctor in Airflow's hands: its connections, the operator, the sample DAG."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_wechat.client.reports import REPORTS
from airflow_wechat.doctor.checks import examine
from airflow_wechat.doctor.connections import patient_of
from airflow_wechat.operators.check import WeChatCheckOperator
from airflow_wechat.operators.report import BadArgumentError
from runs import connect, context_of_run

DAILY_PATH = REPORTS["daily_visit_trend"].path
PASSWORD = "PASSWORD-of-the-database"


def found_of(conn_id="wechat_default", sql_conn_id=None, reports=("daily_visit_trend",)):
    return {finding.check: finding for finding in examine(patient_of(conn_id, sql_conn_id, reports))}


# Connections


def test_an_airflow_connection_is_found_well(wechat, sqlite_target):
    found = found_of(sql_conn_id="wechat_target", reports=None)

    assert {finding.state for finding in found.values()} <= {"ok", "skipped"}
    assert [found[f"permission {name}"].state for name in REPORTS] == ["ok"] * len(REPORTS)
    assert [found[f"table {name}"].state for name in REPORTS] == ["ok"] * len(REPORTS)


def test_a_connection_that_is_not_there_is_a_finding():
    connection = found_of("nowhere")["connection"]

    assert (connection.state, connection.words) == ("failed", "Airflow has no connection 'nowhere'")
    assert "create 'nowhere' under Admin, Connections" in connection.to_do


def test_a_database_connection_that_is_not_there_is_a_finding(wechat):
    assert found_of(sql_conn_id="nowhere")["database"].words == "Airflow has no connection 'nowhere'"


def test_an_extra_that_airflow_would_pass_over_is_a_finding(connect_odd_extra, sandbox):
    connect_odd_extra("{token_source: supplied}")

    assert "Extra is no JSON" in found_of()["connection"].words
    assert sandbox.requests == []


@pytest.mark.parametrize("extra", ["[1]", "5", "null"])
def test_an_extra_that_is_no_object_is_a_finding(connect_odd_extra, extra):
    connect_odd_extra(extra)

    assert "expected a JSON object" in found_of()["connection"].words


def test_the_connection_to_wechat_is_no_database(wechat):
    database = found_of(sql_conn_id="wechat_default")["database"]

    assert database.state == "failed"
    assert database.words == "wechat_default leads to WeChatHook, which is no SQL database"


@pytest.mark.parametrize(
    "fields",
    [
        {"conn_type": "postgres", "host": "127.0.0.1", "port": 9, "login": "u", "password": PASSWORD},
        {"conn_type": "no-such-type", "host": "h", "password": PASSWORD},
        {"conn_type": "sqlite", "host": "/no/such/folder/file.db", "password": PASSWORD},
        {"conn_type": "postgres", "host": "127.0.0.1", "port": 9, "extra": {"api_key": PASSWORD}},
    ],
)
def test_a_database_that_cannot_be_reached_is_a_finding_without_its_secrets(wechat, monkeypatch, fields):
    connect(monkeypatch, "wechat_target", fields)

    found = found_of(sql_conn_id="wechat_target")

    assert found["database"].state == "failed"
    assert "SQL connection" in found["database"].to_do
    assert found["table daily_visit_trend"].words == "database failed"
    assert PASSWORD not in "".join(map(str, found.values()))


# The operator


@pytest.fixture
def logged(caplog, capsys):
    """The lines logged so far: Airflow 2 logs to the one, Airflow 3 to the other."""
    caplog.set_level(logging.INFO)

    def lines():
        return (caplog.text + capsys.readouterr().out).splitlines()

    return lines


def run_operator(**arguments):
    return WeChatCheckOperator(task_id="check", **arguments).execute(context_of_run())


def test_the_operator_gives_the_findings(wechat, sqlite_target):
    findings = run_operator(sql_conn_id="wechat_target")

    assert json.loads(json.dumps(findings)) == findings
    assert findings[0]["check"] == "connection"
    assert {finding["state"] for finding in findings} <= {"ok", "skipped"}


def test_the_operator_asks_for_the_reports_that_are_named(wechat):
    run_operator(reports=["weekly_visit_trend"])

    asked = [request.path for request in wechat.requests if "datacube" in request.path]
    assert asked == [REPORTS["weekly_visit_trend"].path]


def test_the_operator_fails_by_the_checks_that_failed_and_logs_what_to_do(wechat, logged):
    wechat.answer_next(DAILY_PATH, {"errcode": 48001, "errmsg": "api unauthorized rid: 1-2-3"})

    with pytest.raises(AirflowFailException, match=r"^failed: permission daily_visit_trend\."):
        run_operator()

    lines = logged()
    assert [line for line in lines if "info" in line.lower() and "ok      token" in line]
    assert [line for line in lines if "error" in line.lower() and "FAILED  permission" in line]
    assert [line for line in lines if "        -> ask the Mini Program's administrator" in line]
    assert len([request for request in wechat.requests if request.path == DAILY_PATH]) == 1


def test_a_warning_does_not_fail_the_task(wechat, logged):
    wechat.answer_next(DAILY_PATH, {"errcode": 45009, "errmsg": "reach max api daily quota limit"})

    findings = run_operator()

    assert "warning" in [finding["state"] for finding in findings]
    assert [line for line in logged() if "[warning" in line.lower() or line.startswith("WARNING")]


@pytest.mark.parametrize("trouble", [40001, -1])
def test_neither_a_stale_token_nor_a_passing_trouble_makes_it_ask_twice(wechat, trouble):
    wechat.answer_next(DAILY_PATH, {"errcode": trouble, "errmsg": "words"})

    with suppress(AirflowFailException):
        run_operator()

    asked = [request.path for request in wechat.requests]
    assert asked.count(DAILY_PATH) == asked.count("/cgi-bin/stable_token") == 1


def test_a_report_that_there_is_not_ends_the_task_before_any_request(wechat):
    with pytest.raises(BadArgumentError, match="unknown report 'yearly'"):
        run_operator(reports=["yearly"])

    assert wechat.requests == []


def test_the_operator_does_nothing_before_it_runs():
    operator = WeChatCheckOperator(task_id="check", wechat_conn_id="nowhere", reports=["{{ params.report }}"])

    assert operator.template_fields == ("wechat_conn_id", "sql_conn_id", "reports")


# The sample DAG


def test_the_health_dag_examines_each_morning_in_beijing(monkeypatch):
    from airflow.models import DagBag

    folder = Path(__file__).parents[2] / "dags"
    monkeypatch.syspath_prepend(folder)

    bag = DagBag(folder / "wechat_health.py")

    assert bag.import_errors == {}
    dag = bag.dags["wechat_health"]
    assert dag.timezone.name == "Asia/Shanghai"
    assert "0 9 * * *" in (getattr(dag, "schedule", None), getattr(dag, "schedule_interval", None))
    assert dag.catchup is False
    assert dag.task_ids == ["check"]
