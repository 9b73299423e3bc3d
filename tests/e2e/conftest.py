"""One real Airflow for all end-to-end tests, with sandboxes in WeChat's place and a PostgreSQL as target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from wechat_names import SQL_CONN_ID, TABLES, WECHAT_CONN_ID

from airflow_wechat.client.periods import READY_AFTER, Period, latest_complete
from airflow_wechat.client.reports import get_report
from airflow_wechat.sandbox import App, Sandbox
from airflow_wechat.sandbox.rules import DEFAULT_APP
from canaries import Canaries
from client.guarded import give_canaries
from e2e.airflow_api import Run, all_ended
from e2e.holding_sandbox import HoldingSandbox
from e2e.journal import Journal
from e2e.live_airflow import LiveAirflow
from e2e.loading import Loading
from e2e.processes import end_on_sigterm
from postgres_server import PostgresServer

PROJECT = Path(__file__).parents[2]
DAG_FOLDERS = (PROJECT / "dags", Path(__file__).parent / "dags")

_TARGET = "target"

# One DAG of each file.
_DAGS = (
    "wechat_load_range",
    "wechat_daily_visit_trend",
    "e2e_asset",
    "e2e_deferred",
    "e2e_leak",
    "e2e_catchup_cron",
    "e2e_hand_cli_bare",
    "e2e_backfill_beside",
    "e2e_cleared_key",
    "wechat_after_each_load",
)


_SETTINGS = {
    "LOGGING__LOGGING_LEVEL": "DEBUG",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "12",  # so soon another takes over what a dead one had
    # So late may a scheduler hear that a task has been deferred. Where the wait is over before, it takes the
    # part that goes on for the one that has ended, and fails it.
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # Only for the DAGs that ask for it: it costs every task half a second.
    "OPENLINEAGE__SELECTIVE_ENABLE": "True",
    "OPENLINEAGE__TRANSPORT": '{{"type": "file", "log_file_path": "{home}/lineage.jsonl", "append": true}}',
}


@pytest.fixture(scope="session")
def canaries() -> Iterator[Canaries]:
    """Secrets that would be seen wherever they are told; also every token that a sandbox gives is one."""
    with pytest.MonkeyPatch.context() as patch:
        planted = Canaries()
        give_canaries(planted, patch)
        yield planted


def _app(canaries: Canaries) -> App:
    return App(DEFAULT_APP.app_id, canaries("secret"))


@pytest.fixture(scope="session")
def sandbox(canaries: Canaries) -> Iterator[Sandbox]:
    """A WeChat that publishes at midnight, so that the tests pass at any hour, and takes every road."""
    with Sandbox(publish_hour=0, cloud_run=True, sealed="optional", apps=(_app(canaries),)) as running:
        yield running


@pytest.fixture(scope="session")
def late_sandbox(canaries: Canaries) -> Iterator[Sandbox]:
    """A WeChat that publishes at 10:00; its clock is the tests' to set."""
    with Sandbox(publish_hour=10, apps=(_app(canaries),)) as running:
        yield running


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox, late_sandbox: Sandbox
) -> Iterator[LiveAirflow]:
    """An Airflow at DEBUG, with all connections and DAGs; every DAG is paused."""
    end_on_sigterm()
    home = tmp_path_factory.mktemp("live") / "airflow"
    with LiveAirflow(home, DAG_FOLDERS, _SETTINGS) as running:
        running.postgres.create_database(_TARGET)
        running.api.add_connection(WECHAT_CONN_ID, sandbox.connection)
        running.api.add_connection("wechat_late", late_sandbox.connection)
        running.api.add_connection(SQL_CONN_ID, _target_connection(running.postgres))
        running.wait_for_dags(*_DAGS)
        assert not running.api.import_errors()
        yield running


def _target_connection(server: PostgresServer) -> dict[str, Any]:
    return {
        "conn_type": "postgres",
        "host": server.host,
        "port": server.port,
        "login": server.user,
        "password": server.password,
        "schema": _TARGET,
    }


@dataclass(frozen=True)
class Target:
    """The database that the DAGs load into."""

    server: PostgresServer

    def starts(self, table: str) -> list[str]:
        """Return the first days of the periods in a table, in order."""
        query = sql.SQL("SELECT period_start::text FROM {} ORDER BY 1").format(sql.Identifier(table))
        return [start for (start,) in self.select(query)]

    def select(self, query: sql.Composable) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with closing(psycopg2.connect(self.server.uri(_TARGET))) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()


@pytest.fixture(scope="session")
def target(airflow: LiveAirflow) -> Target:
    """The database that the DAGs load into."""
    return Target(airflow.postgres)


@dataclass(frozen=True)
class FirstRun:
    """What a sample DAG did when it was unpaused: its run, what was asked, what landed, what was due."""

    run: Run
    asked: list[tuple[str, str]]
    landed: list[str]
    due: set[Period]


@pytest.fixture(scope="session")
def first_runs(airflow: LiveAirflow, sandbox: Sandbox, target: Target) -> dict[str, FirstRun]:
    """Unpause the sample DAGs that load a report, and wait for the run that this begins."""
    return {report: _first_run(airflow, Journal(sandbox), target, report) for report in TABLES}


def _first_run(airflow: LiveAirflow, journal: Journal, target: Target, report: str) -> FirstRun:
    due = {_newest_due(report)}
    airflow.api.unpause(TABLES[report])
    (run,) = airflow.wait_for_runs(TABLES[report], 1)
    due.add(_newest_due(report))
    return FirstRun(run, journal.asked(report), target.starts(TABLES[report]), due)


def _newest_due(report: str) -> Period:
    return latest_complete(get_report(report).granularity, datetime.now(UTC) - READY_AFTER)


@pytest.fixture
def open_journal(sandbox: Sandbox) -> Callable[[], Journal]:
    """Begin to watch what the sandbox is asked."""
    return lambda: Journal(sandbox)


@pytest.fixture
def settle(airflow: LiveAirflow) -> Iterator[Callable[..., None]]:
    """Unpause a DAG until the test's end, and wait until the runs that this begins have ended."""
    unpaused: list[str] = []

    def unpause(dag_id: str, count: int = 1) -> None:
        unpaused.append(dag_id)
        airflow.api.unpause(dag_id)
        airflow.wait_for_runs(dag_id, count)

    yield unpause
    for dag_id in unpaused:
        airflow.api.pause(dag_id)
        airflow.wait(lambda dag_id=dag_id: all_ended(airflow.api.runs(dag_id)), f"runs of {dag_id} end")


@pytest.fixture(scope="session")
def loading(airflow: LiveAirflow, target: Target) -> Iterator[Callable[[str], Loading]]:
    """Give a DAG a WeChat of its own, which publishes at midnight."""
    with ExitStack() as stack:

        @cache
        def connect(dag_id: str) -> Loading:
            sandbox = stack.enter_context(HoldingSandbox(publish_hour=0))
            airflow.api.add_connection(dag_id, sandbox.connection)
            return Loading(airflow, target, sandbox, dag_id)

        yield connect
