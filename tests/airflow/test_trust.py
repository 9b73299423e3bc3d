"""What somebody who can only trigger a DAG, and so fill templated fields, cannot do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from inspect import signature

import pytest

from airflow_wechat.client.options import OPTIONS
from airflow_wechat.operators.check import WeChatCheckOperator
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.operators.visit_trend import WeChatDailyVisitTrendOperator
from airflow_wechat.sandbox import App, Sandbox
from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from proof.figures import quick_proof
from runs import connect, context_of_run

PART = "trust boundary"

OPERATORS = (
    WeChatCheckOperator,
    WeChatDailyVisitTrendOperator,
    WeChatReportToSqlOperator,
    WeChatReportToObjectStorageOperator,
)
BREAKING_OUT = (
    'wechat"; DROP TABLE kept; --',
    "wechat'; DROP TABLE kept; --",
    "wechat`; DROP TABLE kept; --",
    "main.wechat.kept",
    "wechat kept",
    "wechat\x00",
    "",
    "ｗｅｃｈａｔ",
    "{{ var.value.secret }}",
)
ADDRESSES = (
    "http://127.0.0.1:{port}",
    "127.0.0.1:{port}",
    "wechat://a:b@127.0.0.1:{port}",
    "http%3A%2F%2F127.0.0.1%3A{port}",
)


@quick_proof(PART, "no templated field or parameter of an operator is one of the connection")
@pytest.mark.parametrize("operator", OPERATORS)
def test_no_templated_field_is_an_option_of_the_connection(operator):
    of_connection = {"host", "login", "password", "extra", "base_url", *OPTIONS}

    assert not of_connection & {*operator.template_fields, *signature(operator).parameters}


@quick_proof(PART, "an address in place of a connection's id is not asked")
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_in_place_of_a_connections_id_is_not_asked(wechat, address, monkeypatch):
    with Sandbox() as elsewhere:
        port = elsewhere.connection["host"].rpartition(":")[2]
        operator = WeChatDailyVisitTrendOperator(
            task_id="fetch", wechat_conn_id=address.format(port=port), begin_date="2026-01-01"
        )
        with pytest.raises(Exception, match=r"isn't defined|not found|conn_id"):
            operator.execute(context_of_run())

        assert elsewhere.requests == []
    assert wechat.requests == []


@pytest.fixture
def kept(sqlite_target):
    with closing(sqlite3.connect(sqlite_target)) as connection, connection:
        connection.execute("CREATE TABLE kept (a)")
    return sqlite_target


@quick_proof(PART, "a name of a table that would break out of the statement is refused")
@pytest.mark.parametrize("table", BREAKING_OUT)
def test_a_tables_name_cannot_break_out(wechat, kept, table):
    operator = WeChatReportToSqlOperator(
        task_id="load",
        report="daily_visit_trend",
        sql_conn_id="wechat_target",
        table=table,
        begin_date="2026-01-01",
    )

    with pytest.raises(BadArgumentError, match="is not allowed"):
        operator.execute(context_of_run())

    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("kept",)]
    assert wechat.requests == []


@quick_proof(PART, "a name of a report that would lead elsewhere is refused")
@pytest.mark.parametrize("report", ["../daily_visit_trend", "daily_visit_trend'", "", "daily_visit_trend\n"])
def test_a_reports_name_cannot_lead_elsewhere(wechat, tmp_path, report):
    operator = WeChatReportToObjectStorageOperator(
        task_id="load", report=report, path=str(tmp_path), begin_date="2026-01-01"
    )

    with pytest.raises(BadArgumentError, match="unknown report"):
        operator.execute(context_of_run())

    assert list(tmp_path.iterdir()) == []
    assert wechat.requests == []


@quick_proof(PART, "an AppID that would lead out of the folder is refused")
@pytest.mark.parametrize("app_id", ["../../etc", "a/b", ".."])
def test_an_app_id_cannot_lead_out_of_the_folder(monkeypatch, tmp_path, app_id):
    with Sandbox(publish_hour=0, apps=(App(app_id, "secret"),)) as sandbox:
        connect(monkeypatch, "wechat_default", sandbox.connection)
        operator = WeChatReportToObjectStorageOperator(
            task_id="load", report="daily_visit_trend", path=str(tmp_path / "lake"), begin_date="2026-01-01"
        )
        with pytest.raises(Exception, match="cannot be a folder's name"):
            operator.execute(context_of_run())

    assert not [file for file in tmp_path.rglob("*") if file.is_file()]
