"""Real databases: an SQLite file, PostgreSQL and MariaDB, each by every driver that is installed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from airflow_wechat.client.answers import rows_of
from airflow_wechat.client.reports import Report, Row, get_report
from airflow_wechat.storage.sql import ReportTable
from private_server import PrivateServer
from proof.landed import NAMES

DAILY = get_report("daily_visit_trend")

POSTGRES_DRIVERS = ["psycopg2"]
if find_spec("psycopg") and not sa.__version__.startswith("1."):
    POSTGRES_DRIVERS.append("psycopg")
MARIADB_DRIVERS = ["pymysql"]
if find_spec("MySQLdb"):
    MARIADB_DRIVERS.append("mysqldb")
_OPTIONS = {"pymysql": "?ssl_disabled=true"}  # else each connect reads all the machine's certificates
DATABASES = ["sqlite", *POSTGRES_DRIVERS, *MARIADB_DRIVERS]


class Database:
    """An empty database of one kind, to be reached by many processes."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.kind = uri.partition(":")[0].partition("+")[0]
        self.name = NAMES[self.kind]

    def engine(self, **options: Any) -> sa.engine.Engine:
        return sa.create_engine(self.uri, **{"poolclass": NullPool, **options})

    def table(
        self, name: str | None = None, *, report: Report = DAILY, upsert: bool = True, **options: Any
    ) -> ReportTable:
        table = ReportTable(self.engine(**options), report, name)
        if not upsert:
            table._upsert = None
        return table

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL as it is, past SQLAlchemy's types; returns its rows."""
        with self.engine().begin() as connection:
            result = connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    def stored(self, columns: str, table: str = "wechat_daily_visit_trend") -> list[tuple[Any, ...]]:
        return self.sql(f"SELECT {columns} FROM {table} ORDER BY app_id, period_start")


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Database]:
    def make(kind: str) -> Database:
        if kind == "sqlite":
            return Database(f"sqlite:///{tmp_path / 'file.db'}")
        kind_of_server = "mariadb" if kind in MARIADB_DRIVERS else "postgres"
        server: PrivateServer = request.getfixturevalue(f"{kind_of_server}_server")
        name = f"db_{uuid4().hex}"
        server.create_database(name)
        return Database(server.uri(name, kind) + _OPTIONS.get(kind, ""))

    return make


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, new_database: Callable[[str], Database]) -> Database:
    return new_database(request.param)


@pytest.fixture
def postgres(new_database: Callable[[str], Database]) -> Database:
    return new_database("psycopg2")


@pytest.fixture(params=MARIADB_DRIVERS)
def mariadb(request: pytest.FixtureRequest, new_database: Callable[[str], Database]) -> Database:
    return new_database(request.param)


@pytest.fixture(params=[True, False], ids=["upsert", "delete-and-insert"])
def upsert(request: pytest.FixtureRequest) -> bool:
    """Whether rows go in by the database's upsert or by what serves where we know none."""
    return bool(request.param)


def make_row(
    day: date = date(2026, 1, 1), number: int = 1, *, report: Report = DAILY, app_id: str = "wx1", **more: Any
) -> Row:
    """Return a row as the client makes it, with the same number in every field."""
    period = report.granularity.period_of(day)
    entry = {"ref_date": period.ref_date, **{field.name: number for field in report.fields}, **more}
    (row,) = rows_of(report, period, app_id, {"list": [entry]}, datetime(2026, 2, 1, tzinfo=UTC))
    return row


@pytest.fixture
def row() -> Callable[..., Row]:
    return make_row


@pytest.fixture
def side_by_side() -> Callable[[int, Callable[[int], object]], list[int | None]]:
    """Run a function in so many processes at the same moment; returns the exit codes of those that failed.

    What they failed with is in the captured stderr.
    """
    context = multiprocessing.get_context("fork")

    def run(count: int, function: Callable[[int], object]) -> list[int | None]:
        start = context.Barrier(count)

        def process(number: int) -> None:
            start.wait()
            function(number)

        processes = [context.Process(target=process, args=(number,)) for number in range(count)]
        for each in processes:
            each.start()
        for each in processes:
            each.join()
        return [each.exitcode for each in processes if each.exitcode]

    return run
