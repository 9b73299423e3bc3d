"""The transfer into a table, on a SQLite file and a real PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_wechat.client import transport
from airflow_wechat.client.errors import CheckAnswerError, WaitForDataError, WaitForQuotaError
from airflow_wechat.client.periods import BEIJING
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from runs import connect, context_of_run

DAILY_PATH = REPORTS["daily_visit_trend"].path
STABLE_TOKEN_PATH = "/cgi-bin/stable_token"
NOT_READY = {"errcode": 61503, "errmsg": "data not ready, please try later rid: 1-2-3"}
END_OF_FEBRUARY = datetime(2026, 2, 28, 16, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def target(request):
    """A database behind ``wechat_target``; gives an engine to look into it."""
    return request.getfixturevalue(f"{request.param}_engine")


def load(report="daily_visit_trend", *, run=None, **arguments):
    operator = WeChatReportToSqlOperator(
        task_id="load", report=report, sql_conn_id="wechat_target", **arguments
    )
    return operator.execute(run or context_of_run(data_interval_end=END_OF_FEBRUARY))


def stored(engine, table="wechat_daily_visit_trend", columns="ref_date, visit_uv") -> list[tuple]:
    with engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(sa.text(f"SELECT {columns} FROM {table} ORDER BY 1"))
        ]


@pytest.mark.parametrize(
    ("report", "ref_date"),
    [
        ("daily_visit_trend", "20260228"),
        ("weekly_visit_trend", "20260216-20260222"),
        ("monthly_visit_trend", "202602"),
    ],
)
def test_a_runs_period_lands_in_the_reports_own_table(wechat, target, report, ref_date):
    load(report)

    assert stored(target, f"wechat_{report}", "ref_date, app_id") == [(ref_date, wechat.app.app_id)]


def test_what_lands_is_what_wechat_said(wechat, target):
    said = {
        "ref_date": "20260228",
        "session_cnt": 1082,
        "visit_pv": 4573,
        "visit_uv": 495,
        "visit_uv_new": 0,
        "stay_time_session": 39.3706,
        "visit_depth": 2.6562,
        "something_new": {"a": [1]},
    }
    wechat.answer_next(DAILY_PATH, {"list": [said]})

    load()

    [row] = stored(target, columns=", ".join([*(name for name in said if name != "something_new"), "extra"]))
    assert row[:-1] == ("20260228", 1082, 4573, 495, 0, 39.3706, 2.6562)
    assert json.loads(row[-1]) == {"something_new": {"a": [1]}}


def test_the_manifest_counts_and_carries_no_rows(wechat, target):
    manifest = load(begin_date="2026-02-01", end_date="2026-02-28")

    assert manifest == {
        "report": "daily_visit_trend",
        "app_id": wechat.app.app_id,
        "target": "wechat_target:wechat_daily_visit_trend",
        "periods": 28,
        "rows": 28,
        "first_period": "2026-02-01",
        "last_period": "2026-02-28",
    }


def test_the_manifest_does_not_grow_with_the_range(wechat, target):
    short, long = load(lookback=1), load(lookback=400)

    assert len(json.dumps(long)) - len(json.dumps(short)) < 10


def test_a_second_load_replaces_and_does_not_double(wechat, target):
    load(lookback=6)
    load(lookback=3)

    assert len(stored(target)) == 7


def test_a_revised_number_replaces_the_old_one(wechat, target):
    load()
    wechat.answer_next(DAILY_PATH, _answer("20260228", visit_uv=777))

    load()

    assert stored(target) == [("20260228", 777)]


def test_one_request_for_each_period_and_one_for_the_token(wechat, sqlite_engine):
    load(begin_date="2023-01-01", end_date="2025-12-31")

    paths = [request.path for request in wechat.requests]
    assert (paths.count(DAILY_PATH), paths.count(STABLE_TOKEN_PATH), len(paths)) == (1096, 1, 1097)
    assert len(stored(sqlite_engine)) == 1096


def test_a_table_in_a_schema(wechat, postgres_engine):
    with postgres_engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA ods"))

    load(table="ods.trend")

    assert len(stored(postgres_engine, "ods.trend")) == 1


def test_all_that_names_a_place_is_rendered_from_templates(wechat, sqlite_engine):
    operator = WeChatReportToSqlOperator(
        task_id="load", report="{{ r }}_visit_trend", sql_conn_id="wechat_{{ t }}", table="t_{{ r }}"
    )

    operator.render_template_fields({"r": "weekly", "t": "target"})
    operator.execute(context_of_run(data_interval_end=END_OF_FEBRUARY))

    assert stored(sqlite_engine, "t_weekly", "ref_date") == [("20260216-20260222",)]


# --- bad input: before any request


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"report": "hourly_visit_trend"},
            "unknown report 'hourly_visit_trend': allowed are daily_visit_trend",
        ),
        ({"table": "trend; DROP TABLE x"}, "table='trend; DROP TABLE x' is not allowed"),
        ({"table": "1st"}, "not starting with a digit"),
        ({"begin_date": "yesterday"}, "begin_date='yesterday'"),
    ],
)
def test_a_bad_argument_ends_the_task_before_any_request(wechat, sqlite_target, arguments, message):
    with pytest.raises(BadArgumentError, match=message):
        load(**arguments)

    assert wechat.requests == []


def test_a_connection_that_is_no_sql_database_is_refused_before_any_request(wechat, monkeypatch):
    connect(monkeypatch, "wechat_target", wechat.connection)

    with pytest.raises(BadArgumentError, match="leads to WeChatHook, which is no SQL database"):
        load()

    assert wechat.requests == []


def test_a_table_of_another_shape_is_refused_before_any_request(wechat, sqlite_target, sqlite_engine):
    with sqlite3.connect(sqlite_target) as connection:
        connection.execute("CREATE TABLE wechat_daily_visit_trend (app_id TEXT PRIMARY KEY)")

    with pytest.raises(BadArgumentError, match="lacks the columns period_start"):
        load()

    assert wechat.requests == []


# --- bad answers: nothing stored, what was there before untouched


def _answer(ref_date, **changes):
    numbers = {"session_cnt": 1, "visit_pv": 1, "visit_uv": 1, "visit_uv_new": 1}
    return {"list": [{"ref_date": ref_date} | numbers | changes]}


@pytest.mark.parametrize(
    "answer",
    [
        b"<html><body>Sign in to the network</body></html>",
        b'{"list": [{"ref_date": "20260228", "session_',
        {"ref_date": "20260228"},
        _answer("20260228", visit_uv="many"),
        {"list": [*_answer("20260228")["list"], *_answer("20260228")["list"]]},
        _answer("20260227"),
        302,
        404,
    ],
    ids=["html", "cut off", "no list", "text for a number", "two rows", "another day", "redirect", "404"],
)
def test_an_answer_that_is_not_wechats_leaves_what_was_there(wechat, target, answer):
    load()
    before = stored(target, columns="*")
    wechat.answer_next(DAILY_PATH, answer)

    with pytest.raises(CheckAnswerError):
        load()

    assert stored(target, columns="*") == before


@pytest.mark.parametrize(("errcode", "error"), [(48001, AirflowFailException), (45009, WaitForQuotaError)])
def test_an_errcode_within_http_200_leaves_what_was_there(wechat, target, errcode, error):
    load()
    before = stored(target, columns="*")
    wechat.answer_next(DAILY_PATH, {"errcode": errcode, "errmsg": "no rid: 1-2-3"})

    with pytest.raises(error, match=str(errcode)):
        load()

    assert stored(target, columns="*") == before


def test_an_empty_answer_deletes_nothing(wechat, target):
    load()
    before = stored(target, columns="*")
    wechat.answer_next(DAILY_PATH, {"list": []})

    manifest = load()

    assert manifest["rows"] == 0
    assert stored(target, columns="*") == before


def test_what_came_before_a_failure_stays(wechat, target):
    wechat.answer_next(
        DAILY_PATH, _answer("20260201"), _answer("20260202"), {"errcode": 45009, "errmsg": "quota"}
    )

    with pytest.raises(WaitForQuotaError):
        load(begin_date="2026-02-01", end_date="2026-02-28", max_concurrency=1)

    assert [ref_date for ref_date, _ in stored(target)] == ["20260201", "20260202"]


def test_a_token_that_ends_in_the_middle_of_a_range_is_renewed_once(wechat, sqlite_engine):
    wechat.answer_next(DAILY_PATH, _answer("20260201"), {"errcode": 42001, "errmsg": "access_token expired"})

    load(begin_date="2026-02-01", end_date="2026-02-05", max_concurrency=1)

    assert len(stored(sqlite_engine)) == 5


def test_passing_troubles_do_not_show_in_the_table(wechat, target, monkeypatch):
    from tenacity import wait_none

    monkeypatch.setattr(transport.Transport.__init__, "__kwdefaults__", _without_waits(wait_none()))
    wechat.answer_next(DAILY_PATH, 503, {"errcode": -1, "errmsg": "system error"}, ConnectionError)

    load()

    assert len(stored(target)) == 1


def _without_waits(waits):
    return transport.Transport.__init__.__kwdefaults__ | {"waits": waits}


# --- late data


def test_ready_periods_land_before_the_rest_is_waited_for(wechat, target):
    yesterday = datetime.now(BEIJING).date() - timedelta(days=1)
    before = [yesterday - timedelta(days=n) for n in (2, 1)]
    wechat.answer_next(DAILY_PATH, *(_answer(f"{day:%Y%m%d}") for day in before), NOT_READY)

    with pytest.raises(TaskDeferred) as deferred:
        load(begin_date=str(yesterday), lookback=2, max_concurrency=1, deferrable=True)
    manifest = _resume(deferred.value)

    assert [ref_date for ref_date, _ in stored(target)] == [f"{day:%Y%m%d}" for day in (*before, yesterday)]
    assert (manifest["rows"], manifest["last_period"]) == (3, str(yesterday))


def test_not_deferrable_ready_periods_land_before_the_task_fails(wechat, target):
    yesterday = datetime.now(BEIJING).date() - timedelta(days=1)
    wechat.answer_next(DAILY_PATH, NOT_READY)

    with pytest.raises(WaitForDataError):
        load(begin_date=str(yesterday), lookback=2, max_concurrency=1, deferrable=False)

    assert len(stored(target)) == 2


def _resume(deferred):
    operator = WeChatReportToSqlOperator(
        task_id="load", report="daily_visit_trend", sql_conn_id="wechat_target", deferrable=True
    )
    return getattr(operator, deferred.method_name)(
        context_of_run(), event={"timed_out": False}, **deferred.kwargs
    )
