"""Rows to a database table: a period's row is wholly old or wholly new, whoever else writes the table.

Where we know the database's upsert it is used; elsewhere the old rows are deleted and the new ones inserted
in one transaction. Conflicts with other writers are tried again here, ten times at most with growing waits;
what else may pass (a lost connection, a full disk) is the caller's to try again.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql import quoted_name
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from airflow_wechat.client.reports import KEY_COLUMNS, Column, ColumnType, Report, Row
from airflow_wechat.storage.values import values_of

_NAME = re.compile(r"(?:(?P<schema>[A-Za-z_][A-Za-z0-9_]{0,62})\.)?(?P<table>[A-Za-z_][A-Za-z0-9_]{0,62})")

_DELETED_AT_ONCE = 500

_DECIMALS = 4  # as many as WeChat's own examples have

_MYSQL = ("mysql", "mariadb")  # SQLAlchemy's names of one dialect

_SQLITE_WAIT = 30_000  # milliseconds for which a writer waits for another writer of the file

# SQLSTATE of serialization failure, deadlock and a lock not given in time; MySQL's of a lock not given in
# time, deadlock and changed record.
_CONFLICTS = ("40001", "40P01", "55P03", 1205, 1213, 1020)
_SQLITE_CONFLICTS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class TableMismatchError(ValueError):
    """The table exists, but lacks what a report needs: columns, fitting types, its key, transactions."""


def check_table_name(name: str) -> tuple[str | None, str]:
    """Split ``table`` or ``schema.table``.

    :return: the schema (``None`` where none is given) and the table
    :raises ValueError: for any other form
    """
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found:
        return found["schema"], found["table"]
    raise ValueError(
        f"table={name!r} is not allowed: give table or schema.table, each of ASCII letters, digits and "
        f"underscores, not starting with a digit, at most 63 characters"
    )


def _is_conflict(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else None
    codes = [
        getattr(cause, "sqlstate", None),
        getattr(cause, "pgcode", None),
        *getattr(cause, "args", ())[:1],
    ]
    # The lower byte of SQLite's code says what happened, the upper ones how.
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CONFLICTS or any(
        code in _CONFLICTS for code in codes
    )


def _is_conflict_or_race(error: BaseException) -> bool:
    # Between our DELETE and our INSERT another writer's row of the same key may have appeared.
    return _is_conflict(error) or isinstance(error, IntegrityError)


def _tried_again(is_passing: Callable[[BaseException], bool]) -> Any:
    return retry(
        retry=retry_if_exception(is_passing),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        stop=stop_after_attempt(10),
        reraise=True,
    )


class ReportTable:
    """The table a report's rows land in: call :meth:`create`, then :meth:`replace` as often as wanted.

    :param engine: an SQLAlchemy engine
    :param report: decides the columns
    :param name: ``table`` or ``schema.table``; without one, the report's own
    :raises ValueError: for a name that :func:`check_table_name` refuses
    """

    def __init__(self, engine: sa.engine.Engine, report: Report, name: str | None = None) -> None:
        self.name = report.default_table if name is None else name
        schema, table = check_table_name(self.name)
        self._engine = engine
        self._report = report
        self._upsert = _UPSERTS.get(engine.dialect.name)
        # SQLAlchemy's lists of reserved words have gaps. Elsewhere a quoted name may become case-sensitive.
        quote = True if self._upsert else None
        self._table = sa.Table(
            quoted_name(table, quote),
            sa.MetaData(),
            *map(_sql_column, report.columns),
            schema=schema and quoted_name(schema, quote),
            **_MYSQL_OPTIONS,
        )

    def create(self) -> None:
        """Create the table if it is missing, check it if not; any number of processes may do so at once.

        :raises TableMismatchError: where it lacks columns, the primary key that an upsert relies on, or
            transactions, or has columns that would round
        """
        look = _tried_again(_is_conflict)(self.missing)
        missing = look()
        if missing is None:
            _tried_again(_is_conflict)(self._create)()
            missing = look()
        if missing:
            raise TableMismatchError(
                f"table {self.name} exists, but lacks {' and '.join(missing)} of {self._report.name}: "
                f"add them, or name a table that does not exist yet and it will be created"
            )

    def missing(self) -> list[str] | None:
        """Return what the table lacks of what the report's rows need; ``None`` where there is no table."""
        return self._missing() if self._is_there() else None

    def stored(self, app_id: str) -> tuple[int, date | None]:
        """Return how many rows of an app there are, and the first day of the newest."""
        table = self._table
        asked = sa.select(sa.func.count(), sa.func.max(table.c.period_start)).where(table.c.app_id == app_id)
        with self._engine.connect() as connection:
            count, newest = connection.execute(asked).one()
        return count, newest

    def replace(self, rows: Sequence[Row]) -> None:
        """Store rows in one transaction, each in place of what the table holds for its app and period.

        :param rows: as :func:`~airflow_wechat.client.answers.rows_of` makes them; of two for the same app and
            period the later one counts
        :raises sqlalchemy.exc.DBAPIError: where the database refuses; nothing of ``rows`` is stored then
        """
        if rows:
            is_passing = _is_conflict if self._upsert else _is_conflict_or_race
            _tried_again(is_passing)(self._write)(_values(self._report, rows))

    def stored_starts(self, app_id: str, since: date | None = None) -> set[date]:
        """Return the first days of an app's periods that the table holds; nothing where it is missing.

        :param since: only from this first day on
        """
        return set(_tried_again(_is_conflict)(self._stored_starts)(app_id, since))

    def apps(self) -> list[tuple[str, date, date]]:
        """Return each app that has rows, with the first days of its oldest and its newest period."""
        app_id, start = self._table.c.app_id, self._table.c.period_start
        return self._read(sa.select(app_id, sa.func.min(start), sa.func.max(start)).group_by(app_id))

    def read(self, app_id: str, first: date, last: date, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return columns of the periods of an app that begin in [first, last], in their order.

        :param names: the columns' names
        :return: nothing where the table is missing
        """
        start = self._table.c.period_start
        wanted = self._table.c.app_id == app_id, start >= first, start <= last
        return self._read(sa.select(*(self._table.c[name] for name in names)).where(*wanted).order_by(start))

    def _read(self, asked: sa.sql.Select[Any]) -> list[tuple[Any, ...]]:
        if not self._is_there():
            return []
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(asked)]

    def _stored_starts(self, app_id: str, since: date | None) -> list[date]:
        start = self._table.c.period_start
        wanted = [self._table.c.app_id == app_id, *([] if since is None else [start >= since])]
        return [day for (day,) in self._read(sa.select(start).where(*wanted))]

    def _create(self) -> None:
        try:
            with self._engine.begin() as connection:
                self._table.create(connection, checkfirst=True)
        except DBAPIError:
            # Another process may have created it since we looked; every database says so in its own way.
            if not self._is_there():
                raise

    def _is_there(self) -> bool:
        return bool(sa.inspect(self._engine).has_table(self._table.name, schema=self._table.schema))

    def _missing(self) -> list[str]:
        inspector, place = sa.inspect(self._engine), (self._table.name, self._table.schema)
        types = {column["name"]: column["type"] for column in inspector.get_columns(*place)}
        lacking = [column.name for column in self._report.columns if column.name not in types]
        missing = [f"the columns {', '.join(lacking)}"] if lacking else []
        rounding = [column.name for column in self._report.columns if _rounds(types.get(column.name), column)]
        if rounding:
            missing.append(f"types that do not round for {', '.join(rounding)}")
        # Where we know no upsert the database may keep no primary keys at all.
        if self._upsert and {*inspector.get_pk_constraint(*place)["constrained_columns"]} != {*KEY_COLUMNS}:
            missing.append(f"the primary key ({', '.join(KEY_COLUMNS)})")
        if inspector.dialect.name in _MYSQL:
            missing += _lacking_in_mysql(inspector, *place)
        return missing

    def _write(self, values: list[Row]) -> None:
        with self._engine.begin() as connection:
            if before := _BEFORE_WRITING.get(connection.dialect.name):
                connection.exec_driver_sql(before)
            (self._upsert or _delete_and_insert)(connection, self._table, values)


def _rounds(found: Any, column: Column) -> bool:
    """Tell whether a type that a database has would cut a column's values without an error."""
    if column.type is ColumnType.NUMBER:
        scale = getattr(found, "scale", None)
        return isinstance(found, sa.Integer) or (scale is not None and scale < _DECIMALS)
    return column.type is ColumnType.TIMESTAMP and isinstance(found, sa.Date)


def _lacking_in_mysql(inspector: sa.engine.Inspector, table: str, schema: str | None) -> Iterator[str]:
    """Yield what else a table of MySQL needs: there, an upsert replaces the row of whichever key it meets."""
    if not _has_transactions(inspector, table, schema):
        yield "transactions (ENGINE=InnoDB)"
    others = [index["name"] for index in inspector.get_indexes(table, schema) if index["unique"]]
    if others:
        yield f"freedom from other unique indexes ({', '.join(map(str, others))})"
    if _asked_once(inspector, _COLLATION, schema=schema, table=table).endswith("_ci"):
        yield "a collation of app_id that tells capitals from small letters (utf8mb4_bin)"


def _has_transactions(inspector: sa.engine.Inspector, table: str, schema: str | None) -> bool:
    kept_by = inspector.get_table_options(table, schema).get(f"{inspector.dialect.name}_engine")
    return _asked_once(inspector, _TRANSACTIONS, engine=kept_by) != "NO"


_TRANSACTIONS = "SELECT transactions FROM information_schema.engines WHERE engine = :engine"

# Not from the inspector: it does not see what a column has from its table.
_COLLATION = (
    "SELECT collation_name FROM information_schema.columns"
    " WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :table AND column_name = 'app_id'"
)


def _asked_once(inspector: sa.engine.Inspector, query: str, **values: Any) -> str:
    with inspector.engine.connect() as connection:
        return str(connection.scalar(sa.text(query), values))


# Waiting is enough in SQLite, without BEGIN IMMEDIATE: the transaction's first statement is a write.
# PostgreSQL would wait for ever; as long as MySQL does by default is enough, unless a site says otherwise.
# MySQL would cut what is too long or too large, and only warn of it, where a site has turned strictness off.
_BEFORE_WRITING = {
    "sqlite": f"PRAGMA busy_timeout = {_SQLITE_WAIT}",
    "postgresql": (
        "SELECT set_config('lock_timeout', '50s', true) WHERE current_setting('lock_timeout') = '0'"
    ),
    **dict.fromkeys(_MYSQL, "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')"),
}

# A server's own defaults could be an engine without transactions, a character set without Chinese.
_MYSQL_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in _MYSQL
    for option, value in {"engine": "InnoDB", "default_charset": "utf8mb4"}.items()
}


def _with_mysql(kind: Any, own: Any) -> Any:
    return kind.with_variant(own, "mysql").with_variant(own, "mariadb")


_TYPES: dict[ColumnType, Any] = {
    ColumnType.TEXT: sa.Text(),
    ColumnType.DATE: sa.Date(),
    ColumnType.INTEGER: sa.BigInteger(),
    ColumnType.NUMBER: sa.Float(53),  # double precision everywhere; SQLAlchemy 1.4 has no Double
    ColumnType.JSON: _with_mysql(sa.Text(), mysql.LONGTEXT()),  # its TEXT ends at 64 KB
    ColumnType.TIMESTAMP: _with_mysql(sa.DateTime(timezone=True), mysql.DATETIME(fsp=6)),
}

# MySQL wants a length for a text in a key, and takes texts that differ by case alone for the same.
_KEY_TEXT = _with_mysql(sa.String(64), mysql.VARCHAR(64, collation="utf8mb4_bin"))


def _sql_column(column: Column) -> sa.Column[Any]:
    key = column.name in KEY_COLUMNS
    kind = _KEY_TEXT if key and column.type is ColumnType.TEXT else _TYPES[column.type]
    return sa.Column(column.name, kind, primary_key=key, nullable=column.nullable, comment=column.comment)


def _values(report: Report, rows: Sequence[Row]) -> list[Row]:
    # In the order of their keys: writers of the same rows then wait for each other, else they would deadlock.
    latest = {tuple(row[name] for name in KEY_COLUMNS): row for row in rows}
    return [values_of(report, row) for _, row in sorted(latest.items())]


def _upsert_in_sqlite(connection: sa.engine.Connection, table: sa.Table, values: list[Row]) -> None:
    connection.execute(_on_conflict(sqlite.insert(table)), values)


def _upsert_in_postgresql(connection: sa.engine.Connection, table: sa.Table, values: list[Row]) -> None:
    # All rows as one parameter: SQLAlchemy sends ON CONFLICT row by row, a round trip for each.
    text = sa.cast(sa.bindparam("rows", type_=sa.Text()), postgresql.JSON())
    columns = [sa.column(column.name, column.type) for column in table.columns]
    rows = sa.func.json_to_recordset(text).table_valued(*columns).render_derived("new", with_types=True)
    insert = postgresql.insert(table).from_select(table.columns.keys(), sa.select(*rows.c))
    connection.execute(_on_conflict(insert), {"rows": json.dumps(values, default=str)})


def _on_conflict(insert: Any) -> Any:
    return insert.on_conflict_do_update(index_elements=KEY_COLUMNS, set_=_news(insert.table, insert.excluded))


def _upsert_in_mysql(connection: sa.engine.Connection, table: sa.Table, values: list[Row]) -> None:
    insert = mysql.insert(table)
    connection.execute(insert.on_duplicate_key_update(_news(table, insert.inserted)), values)


def _news(table: sa.Table, new: Any) -> dict[str, Any]:
    return {column.name: new[column.name] for column in table.columns if not column.primary_key}


def _delete_and_insert(connection: sa.engine.Connection, table: sa.Table, values: list[Row]) -> None:
    for app_id, rows in groupby(values, key=itemgetter("app_id")):
        starts = [row["period_start"] for row in rows]
        for first in range(0, len(starts), _DELETED_AT_ONCE):
            some = table.c.period_start.in_(starts[first : first + _DELETED_AT_ONCE])
            connection.execute(table.delete().where(table.c.app_id == app_id, some))
    connection.execute(table.insert(), values)


# How each dialect inserts rows or replaces those of the same keys; the others delete and insert.
_UPSERTS: dict[str, Callable[[sa.engine.Connection, sa.Table, list[Row]], None]] = {
    "sqlite": _upsert_in_sqlite,
    "postgresql": _upsert_in_postgresql,
    **dict.fromkeys(_MYSQL, _upsert_in_mysql),
}
