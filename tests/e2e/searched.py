"""What must be written down nowhere, and all that an Airflow has written down."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing

import psycopg2
from psycopg2 import sql

from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.roads import ROADS
from canaries import written
from e2e.live_airflow import LiveAirflow

_SECRET_NAMES = ("token", "secret", "key")


def secrets_of(sandbox: Sandbox) -> set[str]:
    """Every secret and token that was sent, or that a road's connection holds."""
    calls = sandbox.requests
    sent = [pair for call in calls for pair in (*call.query.items(), *(call.body or {}).items())]
    held = [pair for road in ROADS for pair in _extra_of(sandbox, road).items()]
    return {
        line
        for name, text in (*sent, *held)
        if name.endswith(_SECRET_NAMES)
        for line in str(text).splitlines()
        if len(line) > 20 and "PRIVATE KEY" not in line
    }


def _extra_of(sandbox: Sandbox, road: str) -> dict[str, str]:
    return dict(json.loads(sandbox.connection_of(sandbox.app, road).get("extra", "{}")))


def forms_of(secrets: Iterable[str]) -> set[str]:
    """Every way in which they may be written down."""
    return {form for secret in secrets for form in written(secret)}


def places(airflow: LiveAirflow) -> Iterator[tuple[str, str]]:
    """Give all that is written: each file, and each table of each database, also of those it loads into."""
    yield from _files(airflow)
    for database in _databases(airflow):
        yield from _tables(airflow, database)


def _files(airflow: LiveAirflow) -> Iterator[tuple[str, str]]:
    for file in airflow.home.rglob("*"):
        if file.is_file() and airflow.postgres.folder not in file.parents:
            yield str(file.relative_to(airflow.home)), file.read_bytes().decode("latin-1")


def _databases(airflow: LiveAirflow) -> list[str]:
    with closing(psycopg2.connect(airflow.postgres.uri("postgres"))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")
        return [name for (name,) in cursor.fetchall()]


def _tables(airflow: LiveAirflow, database: str) -> Iterator[tuple[str, str]]:
    with closing(psycopg2.connect(airflow.postgres.uri(database))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table)))
            yield f"table {database}.{table}", "\n".join(row for (row,) in cursor.fetchall())
