"""The transfer into a table, over a bad line: the table holds what WeChat said, or nothing."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from datetime import date, timedelta

import pytest

from airflow_wechat.client.errors import TryAgainError, WeChatError
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.client.transport import Transport
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from bad_line import BadLine, End, Fault
from client.line_faults import CASES
from client.through_line import address_of
from proof.figures import figure
from runs import connect, context_of_run

PART = "bad line"
REPORT = REPORTS["daily_visit_trend"]
DAYS_FROM = date(2024, 1, 1)
LENGTH = 340
"""Bytes of an answer, or a few more."""

thoroughly = pytest.mark.parametrize("step", [41, pytest.param(1, marks=pytest.mark.proof)])
"""Every byte, or for a quick look one of so many."""


@pytest.fixture
def timeout():
    """Seconds that even a busy machine does not take."""
    return 30


@pytest.fixture
def line(sandbox, monkeypatch, timeout):
    """A line to the sandbox, behind ``wechat_default`` with a token that needs no asking."""
    extra = {
        "token_source": "supplied",
        "access_token": sandbox.stable_token(sandbox.app),
        "timeout": timeout,
    }
    monkeypatch.setattr(
        Transport.__init__, "__kwdefaults__", Transport.__init__.__kwdefaults__ | {"tries": 1}
    )
    with BadLine(address_of(sandbox)) as running:
        fields = sandbox.connection | {"host": running.url, "extra": extra}
        connect(monkeypatch, "wechat_default", fields)
        yield running


def load(day):
    WeChatReportToSqlOperator(
        task_id="load",
        report=REPORT.name,
        sql_conn_id="wechat_target",
        begin_date=str(day),
        end_date=str(day),
    ).execute(context_of_run())


def stored(file, day):
    """What the table holds of a day: WeChat's fields of each row, with what else there was."""
    columns = ["ref_date", *(field.name for field in REPORT.fields), "extra"]
    with closing(sqlite3.connect(file)) as connection:
        statement = f"SELECT {', '.join(columns)} FROM {REPORT.default_table} WHERE period_start = ?"
        return [dict(zip(columns, row, strict=True)) for row in connection.execute(statement, [str(day)])]


def said(sandbox, day):
    """What WeChat says of a day."""
    return entry_of(sandbox.app.app_id, REPORT.granularity.period_of(day), REPORT.fields) | {"extra": None}


def days(count):
    return [DAYS_FROM + timedelta(days=n) for n in range(count)]


@thoroughly
def test_an_answer_cut_after_any_byte_leaves_no_row_and_the_next_try_the_whole(
    sandbox, line, sqlite_target, step
):
    reaches = range(0, LENGTH, step)
    what = (
        "a load cut after each byte of the answer stores nothing or WeChat's row, and the next load the row"
    )
    with figure(PART, what) as counted:
        for day, reach in zip(days(len(reaches)), reaches, strict=True):
            line.treat(Fault(reach=reach, then=random.Random(reach).choice([End.CLOSE, End.RESET])))
            with counted.trial(reach):
                try:
                    load(day)
                except TryAgainError:
                    assert stored(sqlite_target, day) == []
                else:
                    assert reach > LENGTH - 30
                assert stored(sqlite_target, day) in ([], [said(sandbox, day)])
                load(day)
                assert stored(sqlite_target, day) == [said(sandbox, day)]


@pytest.mark.quick_proof
def test_no_fault_of_the_line_spoils_a_row_that_is_there(sandbox, line, sqlite_target):
    [day] = days(1)
    load(day)
    there = stored(sqlite_target, day)

    with figure(PART, "a load that meets a fault leaves a row that is there as it was") as counted:
        for name, case in CASES.items():
            if case.error and not case.stalls:
                line.treat(case.fault)
                with counted.trial(name):
                    with pytest.raises(case.error):
                        load(day)
                    assert stored(sqlite_target, day) == there == [said(sandbox, day)]


@thoroughly
@pytest.mark.parametrize("timeout", [1])  # where a bit has made the answer longer than it is
def test_a_bit_turned_round_stores_no_row_of_another_period(sandbox, line, sqlite_target, step):
    places = range(0, LENGTH, step)
    what = "a bit turned round in plain http stores no row of another period or app"
    with figure(PART, what) as counted:
        for day, place in zip(days(len(places)), places, strict=True):
            line.treat(Fault(flip=8 * place + random.Random(place).randrange(8)))
            with counted.trial(place):
                try:
                    load(day)
                except WeChatError:
                    assert stored(sqlite_target, day) == []
                else:
                    assert [row["ref_date"] for row in stored(sqlite_target, day)] == [f"{day:%Y%m%d}"]
                assert apps_in(sqlite_target) <= {sandbox.app.app_id}


def apps_in(file):
    with closing(sqlite3.connect(file)) as connection:
        return {app_id for (app_id,) in connection.execute(f"SELECT app_id FROM {REPORT.default_table}")}
