"""Every road into WeChat, end to end: a connection, an operator, a sandbox, a table."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_wechat.client.errors import CheckAnswerError, RenewTokenError, WaitForDataError
from airflow_wechat.client.periods import Granularity, latest_complete
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.hooks.wechat import WeChatHook
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.roads import ROADS
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from runs import connect, context_of_run

END_OF_FEBRUARY = datetime(2026, 2, 28, 16, 0, tzinfo=UTC)


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Sandbox(publish_hour=0, cloud_run=True, sealed="optional") as running:
        yield running


@pytest.fixture
def take(sandbox, monkeypatch):
    """Make ``wechat_default`` take a road, with some of its options changed."""

    def road(name, **changes):
        connection = sandbox.connection_of(sandbox.app, name)
        extra = json.loads(connection.get("extra", "{}")) | changes
        connect(monkeypatch, "wechat_default", connection | {"extra": json.dumps(extra)})
        return extra

    return road


def load(report="daily_visit_trend", **arguments):
    operator = WeChatReportToSqlOperator(
        task_id="load", report=report, sql_conn_id="wechat_target", **arguments
    )
    return operator.execute(context_of_run(data_interval_end=END_OF_FEBRUARY))


def stored(file, report="daily_visit_trend"):
    """The rows of a report's table, without the moment they were fetched at."""
    with sqlite3.connect(file) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(f"SELECT * FROM wechat_{report} ORDER BY period_start").fetchall()
    return [{name: row[name] for name in row.keys() if name != "fetched_at"} for row in rows]  # noqa: SIM118


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("road", ROADS)
def test_every_road_lands_the_rows_that_the_default_lands(sandbox, take, sqlite_target, road, report):
    take("stable")
    load(report, lookback=2)
    by_default = stored(sqlite_target, report)
    sqlite_target.unlink()

    take(road)
    load(report, lookback=2)

    assert len(by_default) == 3
    assert stored(sqlite_target, report) == by_default


SECRETLESS = [name for name, road in ROADS.items() if road.secretless]


@pytest.mark.parametrize("road", SECRETLESS)
def test_a_road_without_the_secret_neither_has_nor_sends_it(sandbox, take, sqlite_target, road):
    take(road)

    load()

    assert WeChatHook().get_connection("wechat_default").password is None
    assert sandbox.app.secret not in repr(sandbox.requests)


SELF_RENEWING = [name for name in ROADS if name not in {"supplied", "cloud_run"}]


@pytest.mark.parametrize("road", SELF_RENEWING)
def test_tokens_that_end_in_the_middle_of_a_range_are_renewed(sandbox, take, sqlite_target, road):
    take(road)
    hook = WeChatHook()
    day = REPORTS["daily_visit_trend"].granularity.period_of(datetime(2026, 1, 1, tzinfo=UTC).date())
    hook.fetch("daily_visit_trend", day)

    sandbox.end_tokens()

    assert hook.fetch("daily_visit_trend", day.next)


def test_a_supplied_token_that_was_replaced_in_the_connection_is_read_again(sandbox, take, sqlite_target):
    take("supplied")
    hook = WeChatHook()
    day = REPORTS["daily_visit_trend"].granularity.period_of(datetime(2026, 1, 1, tzinfo=UTC).date())
    hook.fetch("daily_visit_trend", day)
    sandbox.end_tokens()
    take("supplied")

    assert hook.fetch("daily_visit_trend", day.next)


def test_a_supplied_token_that_has_ended_says_what_to_do(sandbox, take, sqlite_target):
    take("supplied")
    sandbox.end_tokens()

    with pytest.raises(RenewTokenError, match="put a token that is good into access_token"):
        load()


@pytest.mark.parametrize("road", ROADS)
def test_a_period_that_is_not_published_is_the_same_on_every_road(sqlite_target, monkeypatch, road):
    with Sandbox(publish_hour=23.99, cloud_run=True, sealed="optional") as late:
        connect(monkeypatch, "wechat_default", late.connection_of(late.app, road))

        with pytest.raises(WaitForDataError, match="errcode 61503"):
            load(begin_date=latest_complete(Granularity.DAILY, late.clock()).start.isoformat())


# What goes wrong before anything is asked


@pytest.mark.parametrize(
    ("road", "changes", "field"),
    [
        ("stable", {"access_token": "68_t"}, "access_token"),
        ("supplied", {"token_url": "https://tokens.example"}, "access_token and token_url"),
        ("supplied", {"access_token": ""}, "access_token or token_url"),
        ("token_server", {"token_url": "http://tokens.example/t"}, "token_url"),
        ("authorizer", {"component_appid": ""}, "component_appid"),
        ("authorizer", {"authorizer_refresh_token": ""}, "authorizer_refresh_token"),
        ("cloud_function", {"cloud_env": ""}, "cloud_env"),
        ("sealed", {"sym_key": "c2hvcnQ="}, "sym_key"),
        ("sealed", {"certificate_sn": ""}, "certificate_sn"),
        ("sealed", {"private_key": "no pem"}, "private_key"),
    ],
)
def test_a_half_configured_road_is_refused_by_its_field_before_any_request(
    sandbox, take, sqlite_target, road, changes, field
):
    take(road, **changes)

    with pytest.raises(BadArgumentError, match=field):
        load()

    assert sandbox.requests == []
    assert not sqlite_target.exists()


def test_a_token_server_that_answers_html_is_named_and_wechat_is_not_asked(sandbox, take, sqlite_target):
    extra = take("token_server")
    path = extra["token_url"].removeprefix(sandbox.url).partition("?")[0]
    sandbox.answer_next(path, b"<html>please sign in</html>")

    with pytest.raises(CheckAnswerError, match="from token_url: not JSON but HTML"):
        load()

    assert not [request for request in sandbox.requests if request.path.startswith("/datacube/")]


def test_keys_that_wechat_does_not_know_end_the_task(sandbox, take, sqlite_target, monkeypatch):
    with Sandbox(publish_hour=0, sealed=True) as other:
        keys = json.loads(other.connection_of(other.app, "sealed")["extra"])
    take("sealed", private_key=keys["private_key"])

    with pytest.raises(AirflowFailException, match=r"40234.*private_key"):
        load()
