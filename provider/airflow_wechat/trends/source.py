"""The tables that transfers write, read only, and what to do where they cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, TypeVar

from airflow_wechat.doctor.connections import database_of
from airflow_wechat.doctor.database import told
from airflow_wechat.doctor.network import within
from airflow_wechat.doctor.patient import UnusableError
from airflow_wechat.storage.sql import ReportTable
from airflow_wechat.trends.settings import Settings

if TYPE_CHECKING:
    from airflow_wechat.client.reports import Report

log = logging.getLogger(__name__)

T = TypeVar("T")

_PATIENCE = 15.0  # seconds; many drivers know no time-out of their own

# The API server has few threads; a database that hangs is to leave it most of them.
_AT_ONCE = BoundedSemaphore(8)


class Problem(StrEnum):
    """Why there is nothing to show; the page knows for each what to do."""

    NO_SETTING = "no_setting"
    CONNECTION = "connection"
    DATABASE = "database"
    TABLE_NAME = "table_name"
    NO_DAG = "no_dag"
    EMPTY = "empty"


class UnreadableError(Exception):
    """The tables cannot be read.

    :param problem: why
    :param detail: what the page may show of it: a name, and never a driver's words, which may hold anything
    """

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(problem, detail)
        self.problem = problem
        self.detail = detail


def read(settings: Settings, ask: Callable[[Callable[[Report], ReportTable]], T]) -> T:
    """Ask the database, for some seconds at most.

    :param ask: is given what finds a report's table
    :raises UnreadableError: where there is no database, or it does not answer
    """

    def run() -> T:
        try:
            with _open_tables(settings) as table_of:
                return ask(table_of)
        finally:
            _AT_ONCE.release()

    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise UnreadableError(Problem.DATABASE, settings.sql_conn_id)
    try:
        return within(_PATIENCE, run)
    except TimeoutError:
        log.warning("The trends page's database does not answer within %g s", _PATIENCE)
        raise UnreadableError(Problem.DATABASE, settings.sql_conn_id) from None


@contextmanager
def _open_tables(settings: Settings) -> Iterator[Callable[[Report], ReportTable]]:
    if not settings.sql_conn_id:
        raise UnreadableError(Problem.NO_SETTING)
    try:
        database = database_of(settings.sql_conn_id)
    except UnusableError as error:
        log.warning("The trends page cannot use its connection: %s; %s", error.words, error.to_do)
        raise UnreadableError(Problem.CONNECTION, settings.sql_conn_id) from None
    try:
        yield lambda report: _table(database.engine, report, settings)
    except UnreadableError:
        raise
    except Exception as error:  # noqa: BLE001 - drivers raise whatever they like, also past SQLAlchemy
        log.warning("The trends page cannot read: %s", told(error, database.secrets))
        raise UnreadableError(Problem.DATABASE, settings.sql_conn_id) from None
    finally:
        database.engine.dispose()


def _table(engine: object, report: Report, settings: Settings) -> ReportTable:
    name = settings.table_of(report)
    try:
        return ReportTable(engine, report, name)  # type: ignore[arg-type]
    except ValueError:
        raise UnreadableError(Problem.TABLE_NAME, name) from None
