"""What the doctor finds of the database, on a SQLite file and a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from airflow_wechat.client.periods import Granularity
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.doctor import database as database_module
from airflow_wechat.doctor.checks import examine
from airflow_wechat.doctor.database import told
from airflow_wechat.doctor.findings import Finding, State
from airflow_wechat.doctor.patient import Database, UnusableError
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.storage.sql import ReportTable
from client.examined import Findings, access_by, patient_by
from client.sandboxed import DAILY
from postgres_server import PostgresServer

OK, FAILED, SKIPPED = State.OK, State.FAILED, State.SKIPPED
PASSWORD = "pass word/of+the:database"
NOWHERE = {"login": "", "host": "http://127.0.0.1:9"}
TABLE = "wechat_daily_visit_trend"


@pytest.fixture
def engine(tmp_path: Path) -> sa.engine.Engine:
    return sa.create_engine(f"sqlite:///{tmp_path / 'target.db'}", poolclass=NullPool)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(publish_hour=0) as running:
        yield running


def found_in(engine: sa.engine.Engine, fields: dict[str, Any] | None = None, **options: Any) -> Findings:
    patient = patient_by(fields or NOWHERE, reach_database=lambda: Database(engine, (PASSWORD,)), **options)
    return {finding.check: finding for finding in examine(patient)}


def table_in(engine: sa.engine.Engine, fields: dict[str, Any] | None = None) -> Finding:
    return found_in(engine, fields)["table daily_visit_trend"]


def store(engine: sa.engine.Engine, sandbox: Sandbox, *days: int) -> None:
    client = access_by(sandbox.connection).client
    table = ReportTable(engine, DAILY)
    table.create()
    for day in days:
        table.replace(client.fetch(DAILY, Granularity.DAILY.period_of(date(2026, 3, day))))


def test_a_database_is_looked_at_even_where_wechat_cannot_be_asked(engine: sa.engine.Engine) -> None:
    found = found_in(engine, reports=REPORTS.values())

    assert found["connection"].state is FAILED
    assert (found["database"].state, found["database"].words) == (OK, "sqlite answers")
    assert [found[f"table {name}"].state for name in REPORTS] == [OK] * len(REPORTS)


def test_a_table_that_is_missing_is_no_fault_and_is_not_created(engine: sa.engine.Engine) -> None:
    assert table_in(engine).words == f"{TABLE} is not there yet: the first load creates it"
    assert sa.inspect(engine).get_table_names() == []


def test_rows_of_the_app_are_counted_and_the_newest_named(engine: sa.engine.Engine, sandbox: Sandbox) -> None:
    store(engine, sandbox, 3, 14, 5)

    words = table_in(engine, sandbox.connection).words

    assert words == f"{TABLE} has 3 rows of {sandbox.app.app_id}, the newest of 2026-03-14"


def test_rows_of_other_apps_do_not_count(engine: sa.engine.Engine, sandbox: Sandbox) -> None:
    store(engine, sandbox, 3)

    words = table_in(engine, sandbox.connection | {"login": "wx-another", "password": "s"}).words

    assert words == f"{TABLE} has no row of wx-another yet"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            "app_id TEXT, period_start DATE, PRIMARY KEY (app_id, period_start)",
            "lacks the columns period_end",
        ),
        (
            ", ".join(column.name for column in DAILY.columns),
            "lacks the primary key (app_id, period_start)",
        ),
    ],
)
def test_a_table_that_loads_would_refuse_fails(engine: sa.engine.Engine, columns: str, words: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {TABLE} ({columns})")

    table = table_in(engine)

    assert (table.state, words in table.words) == (FAILED, True)
    assert "add them" in table.to_do


def test_a_database_that_cannot_be_opened_ends_what_needs_it(tmp_path: Path) -> None:
    found = found_in(sa.create_engine(f"sqlite:///{tmp_path / 'no folder' / 'file.db'}"))

    assert found["database"].state is FAILED
    assert found["database"].words == "OperationalError: unable to open database file"
    assert "SQL connection" in found["database"].to_do
    assert found["table daily_visit_trend"].words == "database failed"


def test_a_connection_that_cannot_be_used_says_why() -> None:
    def reach() -> Database:
        raise UnusableError("why", "what to do")

    found = {finding.check: finding for finding in examine(patient_by(NOWHERE, reach_database=reach))}

    assert found["database"] == Finding("database", FAILED, "why", "what to do")


def test_without_a_database_there_is_no_more_to_say() -> None:
    found = {finding.check: finding for finding in examine(patient_by(NOWHERE))}

    assert found["database"] == Finding("database", SKIPPED, "no sql_conn_id is given")
    assert not [name for name in found if name.startswith("table")]


def test_a_database_that_does_not_answer_is_not_waited_for(
    engine: sa.engine.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    sa.event.listen(engine, "do_connect", lambda *_: over.wait(10) and None)
    monkeypatch.setattr(database_module, "_PATIENCE", 0.05)

    found = found_in(engine)["database"]

    over.set()
    assert (found.state, found.words) == (FAILED, "no answer within 0.05 s")


def test_a_login_that_is_refused_fails_without_its_password(postgres_server: PostgresServer) -> None:
    uri = sa.engine.URL.create(
        "postgresql+psycopg2", "nobody", PASSWORD, postgres_server.host, postgres_server.port, "nowhere"
    )

    found = found_in(sa.create_engine(uri))["database"]

    assert found.state is FAILED
    assert "nobody" in found.words or "nowhere" in found.words
    assert not any(secret in found.words for secret in (PASSWORD, "pass word", "pass%20word"))


def test_a_table_that_may_not_be_read_fails(postgres_server: PostgresServer, sandbox: Sandbox) -> None:
    postgres_server.create_database("doctor")
    owner = sa.create_engine(postgres_server.uri("doctor", "psycopg2"), poolclass=NullPool)
    store(owner, sandbox, 3)
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS reader")
        connection.exec_driver_sql("CREATE ROLE reader")
    reader = sa.create_engine(owner.url, poolclass=NullPool, connect_args={"options": "-c role=reader"})

    table = table_in(reader, sandbox.connection)

    assert (table.state, "permission denied" in table.words) == (FAILED, True)
    assert table.to_do == f"see whether the SQL connection's login may read {TABLE}"


@pytest.mark.parametrize("written", [PASSWORD, "pass%20word%2Fof%2Bthe%3Adatabase"])
def test_words_that_hold_a_secret_are_not_shown(written: str) -> None:
    error = ValueError(f"cannot parse postgresql://user:{written}@host/db")

    assert told(error, (PASSWORD,)) == "ValueError (its words hold a secret and are not shown)"


def test_words_that_hold_none_are_shown() -> None:
    assert told(ValueError("cannot parse it"), (PASSWORD,)) == "ValueError: cannot parse it"
