"""The patient as Airflow's connections describe it: the part of the doctor that knows Airflow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException, BaseHook

from airflow_wechat.client.reports import REPORTS, get_report
from airflow_wechat.doctor.database import told
from airflow_wechat.doctor.patient import Access, Database, Patient, UnusableError
from airflow_wechat.hooks.wechat import client_of, options_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

_SECRET_FIELD = re.compile(
    "password|passphrase|passwd|secret|token|key|credential|dsn|uri|url", re.IGNORECASE
)


def patient_of(
    wechat_conn_id: str, sql_conn_id: str | None = None, reports: Sequence[str] | None = None
) -> Patient:
    """Return what is to be examined; nothing is read or asked yet.

    :param reports: the reports' names; without any, all
    :raises ValueError: for a name that is no report's
    """
    return Patient(
        reach_wechat=partial(_wechat, wechat_conn_id),
        reports=tuple(map(get_report, dict.fromkeys(reports or REPORTS))),
        reach_database=partial(database_of, sql_conn_id) if sql_conn_id else None,
    )


def _wechat(conn_id: str) -> Access:
    connection = _connection(conn_id)
    return Access(client_of(connection, tries=1, renews=False), options_of(connection))


def database_of(conn_id: str) -> Database:
    """Return the database that a connection leads to; it is not connected to yet.

    :raises UnusableError: where there is no such connection, or it leads to no SQL database
    """
    connection = _connection(conn_id)
    secrets = tuple(_secrets_of(connection))
    try:
        engine = _sql_hook(connection).get_sqlalchemy_engine()
    except UnusableError:
        raise
    except Exception as error:  # noqa: BLE001 - hooks raise whatever they like
        words = told(error, secrets)
    else:
        return Database(engine, secrets)
    raise UnusableError(words, "correct the SQL connection, and install the provider and driver of its type")


def _sql_hook(connection: Connection) -> Any:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    hook: Any = connection.get_hook()  # type: ignore[no-untyped-call]
    if not isinstance(hook, DbApiHook):
        raise UnusableError(
            f"{connection.conn_id} leads to {type(hook).__name__}, which is no SQL database",
            "name the connection of a SQL database",
        )
    return hook


def _connection(conn_id: str) -> Connection:
    try:
        return BaseHook.get_connection(conn_id)
    except (AirflowException, ValueError) as error:
        missing = isinstance(error, AirflowNotFoundException)
        words = f"Airflow has no connection {conn_id!r}" if missing else type(error).__name__
        to_do = f"create {conn_id!r} under Admin, Connections, or name another one"
        raise UnusableError(words, to_do) from None


def _secrets_of(connection: Connection) -> Iterator[str]:
    if connection.password:
        yield connection.password
    yield from _secrets_in(connection.extra_dejson)


def _secrets_in(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for inner, held in value.items():
            yield from _secrets_in(held, str(inner))
    elif isinstance(value, str) and value and _SECRET_FIELD.search(name):
        yield value
