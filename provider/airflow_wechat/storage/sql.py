"""Rows to a database table: a period's row is wholly old or wholly new, whoever else writes the table.

Where the database has an upsert it is used (:data:`_UPSERTS`); elsewhere the old rows are deleted and the new ones
inserted in the same transaction. Conflicts with other writers are tried again here, ten times at most; whatever
else goes wrong (a lost connection, a full disk) is the caller's to try again.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError, IntegrityError
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from airflow_wechat.client.reports import KEY_COLUMNS, Column, ColumnType, Report, Row

_BUSY_TIMEOUT = 30_000
"""How long SQLite waits for another writer of the file, in milliseconds."""

_DELETED_AT_ONCE = 500

# SQLSTATEs of serialization failure and deadlock; MySQL's lock wait timeout, deadlock and changed record.
_CONFLICTS = frozenset({"40001", "40P01", 1205, 1213, 1020})
_SQLITE_CONFLICTS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_NAME = re.compile(r"(?:(?P<schema>[A-Za-z_][A-Za-z0-9_]{0,62})\.)?(?P<table>[A-Za-z_][A-Za-z0-9_]{0,62})")


class TableMismatchError(ValueError):
    """The table exists, but lacks columns or the primary key that a report's rows need."""


def check_table_name(name: str) -> tuple[str | None, str]:
    """Split ``table`` or ``schema.table`` into schema and table.

    :return: the schema, ``None`` where none is given, and the table
    :raises ValueError: for any other form
    """
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if not found:
        raise ValueError(
            f"table={name!r} is not allowed: give table or schema.table, each of ASCII letters, digits "
            f"and underscores, not starting with a digit, at most 63 characters"
        )
    return found["schema"], found["table"]


def _is_conflict(error: BaseException) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        # The lower byte says what happened, the rest how.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CONFLICTS
    codes = (
        getattr(cause, "sqlstate", None),
        getattr(cause, "pgcode", None),
        *getattr(cause, "args", ())[:1],
    )
    return any(isinstance(code, str | int) and code in _CONFLICTS for code in codes)


def _is_race(error: BaseException) -> bool:
    # Between its DELETE and its INSERT another writer's row of the same key may have appeared.
    return _is_conflict(error) or isinstance(error, IntegrityError)


def _retried(is_passing: Callable[[BaseException], bool]) -> Any:
    return retry(
        retry=retry_if_exception(is_passing),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        stop=stop_after_attempt(10),
        reraise=True,
    )


class ReportTable:
    """The table a report's rows land in: call :meth:`create`, then :meth:`replace` as often as wanted.

    :param engine: an SQLAlchemy engine, 1.4 or 2.x
    :param report: decides the columns
    :param name: ``table`` or ``schema.table``; without one, the report's own
    :raises ValueError: for a name that :func:`check_table_name` refuses
    """

    def __init__(self, engine: sa.engine.Engine, report: Report, name: str | None = None) -> None:
        self.name = report.default_table if name is None else name
        self._engine = engine
        self._report = report
        self._upsert = _UPSERTS.get(engine.dialect.name)
        schema, table = check_table_name(self.name)
        self._table = sa.Table(table, sa.MetaData(), *map(_sql_column, report.columns), schema=schema)

    def create(self) -> None:
        """Create the table if it is missing, check it if not; any number of processes may do so at once.

        :raises TableMismatchError: where it lacks columns, or the key that upserts rely on
        """
        _retried(_is_conflict)(self._create_missing)()
        missing = self._missing_parts()
        if missing:
            raise TableMismatchError(
                f"table {self.name} exists, but lacks {' and '.join(missing)} of {self._report.name}: "
                f"add what is missing, or name a table that does not exist yet and it will be created"
            )

    def replace(self, rows: Sequence[Row]) -> None:
        """Store rows in one transaction, each in place of what the table holds for its app and period.

        :param rows: rows as :func:`~airflow_wechat.client.answers.rows_of` makes them; of two for the same
            app and period the later one counts
        :raises sqlalchemy.exc.DBAPIError: what the database refuses; then nothing of the batch is stored
        """
        if rows:
            is_passing = _is_conflict if self._upsert else _is_race
            _retried(is_passing)(self._write)(_values(self._report, rows))

    def _write(self, values: list[Row]) -> None:
        with self._transaction() as connection:
            if self._upsert:
                connection.execute(self._upsert(self._table), values)
            else:
                for statement in _deletes(self._table, values):
                    connection.execute(statement)
                connection.execute(self._table.insert(), values)

    def _create_missing(self) -> None:
        try:
            with self._transaction() as connection:
                self._table.create(connection, checkfirst=True)
        except DBAPIError:
            # Another process may have created it since we looked: every database says so in its own way.
            with self._transaction() as connection:
                exists = sa.inspect(connection).has_table(self._table.name, schema=self._table.schema)
            if not exists:
                raise

    def _missing_parts(self) -> list[str]:
        with self._transaction() as connection:
            inspector = sa.inspect(connection)
            found = {column["name"] for column in inspector.get_columns(self._table.name, self._table.schema)}
            key = inspector.get_pk_constraint(self._table.name, self._table.schema)["constrained_columns"]
        lacking = [column.name for column in self._report.columns if column.name not in found]
        parts = [f"the columns {', '.join(lacking)}"] if lacking else []
        # Databases without an upsert here may not keep primary keys at all.
        if self._upsert and set(key) != set(KEY_COLUMNS):
            parts.append(f"the primary key ({', '.join(KEY_COLUMNS)})")
        return parts

    @contextmanager
    def _transaction(self) -> Iterator[sa.engine.Connection]:
        with self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                # A write is the first statement that follows, so waiting for the lock is all it needs.
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")
            yield connection


_MICROSECONDS = mysql.DATETIME(fsp=6)

_TYPES: Mapping[ColumnType, Any] = MappingProxyType(
    {
        ColumnType.TEXT: sa.Text(),
        ColumnType.DATE: sa.Date(),
        ColumnType.INTEGER: sa.BigInteger(),
        ColumnType.NUMBER: sa.Float(53),  # double precision everywhere; SQLAlchemy 1.4 has no Double
        ColumnType.JSON: sa.Text(),
        # SQLAlchemy 1.4 takes one variant at a time.
        ColumnType.TIMESTAMP: sa.DateTime(timezone=True)
        .with_variant(_MICROSECONDS, "mysql")
        .with_variant(_MICROSECONDS, "mariadb"),
    }
)


def _sql_column(column: Column) -> sa.Column[Any]:
    is_key = column.name in KEY_COLUMNS
    # MySQL wants a length on texts in a key.
    type_ = sa.String(64) if is_key and column.type is ColumnType.TEXT else _TYPES[column.type]
    return sa.Column(column.name, type_, primary_key=is_key, nullable=column.nullable, comment=column.comment)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# JSON text is ASCII, so that no database's character set can refuse what it says.
_READERS: Mapping[ColumnType, Callable[[Any], Any]] = MappingProxyType(
    {ColumnType.DATE: date.fromisoformat, ColumnType.TIMESTAMP: _utc, ColumnType.JSON: json.dumps}
)


def _values(report: Report, rows: Sequence[Row]) -> list[Row]:
    """Return what the database is given, one row a key, in the order of the keys.

    Writers that overlap and keep one order wait for each other, where they would deadlock otherwise.
    """
    latest = {tuple(row[name] for name in KEY_COLUMNS): row for row in rows}
    return [
        {column.name: _value(column, row[column.name]) for column in report.columns}
        for _, row in sorted(latest.items())
    ]


def _value(column: Column, value: Any) -> Any:
    read = _READERS.get(column.type)
    return value if read is None or value is None else read(value)


def _on_conflict(insert: Callable[[sa.Table], Any], table: sa.Table) -> Any:
    statement = insert(table)
    new = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=KEY_COLUMNS, set_=new)


def _on_duplicate_key(table: sa.Table) -> Any:
    statement = mysql.insert(table)
    new = {column.name: statement.inserted[column.name] for column in table.columns if not column.primary_key}
    return statement.on_duplicate_key_update(new)


_UPSERTS: Mapping[str, Callable[[sa.Table], Any]] = MappingProxyType(
    {
        "sqlite": partial(_on_conflict, sqlite.insert),
        "postgresql": partial(_on_conflict, postgresql.insert),
        "mysql": _on_duplicate_key,
        "mariadb": _on_duplicate_key,
    }
)
"""How a dialect inserts a row or replaces the one of its key. The dialects not named delete and insert."""


def _deletes(table: sa.Table, values: list[Row]) -> Iterator[Any]:
    for app_id, group in groupby(values, key=itemgetter("app_id")):
        starts = [row["period_start"] for row in group]
        for first in range(0, len(starts), _DELETED_AT_ONCE):
            some = starts[first : first + _DELETED_AT_ONCE]
            yield table.delete().where(table.c.app_id == app_id, table.c.period_start.in_(some))
