"""The database that rows land in: whether it answers, and whether its tables are as reports need them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow_wechat.client.reports import Report
from airflow_wechat.client.secret import hide
from airflow_wechat.doctor.findings import State, Verdict
from airflow_wechat.doctor.network import within
from airflow_wechat.doctor.patient import Patient, UnusableError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from airflow_wechat.storage.sql import ReportTable

_PATIENCE = 30.0  # seconds; many drivers know no time-out of their own


def database(patient: Patient) -> Verdict:
    """Connect to the database."""
    if patient.reach_database is None:
        return Verdict(State.SKIPPED, "no sql_conn_id is given")
    try:
        patient.database = patient.reach_database()
    except UnusableError as error:
        return Verdict(State.FAILED, error.words, error.to_do)
    engine = patient.database.engine
    try:
        within(_PATIENCE, lambda: _ask(engine))
    except TimeoutError:
        return Verdict(State.FAILED, f"no answer within {_PATIENCE:g} s", _UNREACHABLE)
    except Exception as error:  # noqa: BLE001 - drivers raise whatever they like, also past SQLAlchemy
        return Verdict(State.FAILED, told(error, patient.database.secrets), _UNREACHABLE)
    return Verdict(State.OK, f"{engine.dialect.name} answers")


_UNREACHABLE = (
    "correct host, port, schema, login and password of the SQL connection, and see whether this machine may "
    "reach the database"
)


def _ask(engine: Engine) -> None:
    import sqlalchemy as sa

    with engine.connect() as connection:
        connection.execute(sa.select(sa.literal(1)))


def table(patient: Patient, report: Report) -> Verdict:
    """Look at the report's table."""
    from sqlalchemy.exc import SQLAlchemyError

    from airflow_wechat.storage.sql import ReportTable

    found = ReportTable(patient.database.engine, report)
    try:
        missing = found.missing()
        if missing is None:
            return Verdict(State.OK, f"{found.name} is not there yet: the first load creates it")
        if missing:
            return Verdict(
                State.FAILED,
                f"{found.name} lacks {' and '.join(missing)}",
                "add them, or give loads the name of a table that does not exist yet: it will be created",
            )
        return Verdict(State.OK, f"{found.name} has {_stored(found, patient.app_id)}")
    except SQLAlchemyError as error:
        to_do = f"see whether the SQL connection's login may read {found.name}"
        return Verdict(State.FAILED, told(error, patient.database.secrets), to_do)


def _stored(found: ReportTable, app_id: str) -> str:
    if not app_id:
        return "the columns and the key"
    count, newest = found.stored(app_id)
    return f"{count:,} rows of {app_id}, the newest of {newest}" if count else f"no row of {app_id} yet"


def told(error: BaseException, secrets: Iterable[str]) -> str:
    """Return a database error's words, unless they hold a secret."""
    cause = getattr(error, "orig", None) or error
    kind, words = type(cause).__name__, str(cause).encode(errors="replace")
    if hide(words, secrets) != words:
        return f"{kind} (its words hold a secret and are not shown)"
    return f"{kind}: {words.decode()}"
