"""What a table holds of the sandbox's answers, and what it has to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from airflow_wechat.client.periods import Period
from airflow_wechat.client.reports import Report, Row
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.storage.sql import ReportTable

NAMES = {"mariadb": "MariaDB", "mysql": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}
"""Which database it is, as a reader calls it, by SQLAlchemy's name."""

LONG_AGO = datetime(2026, 2, 1, tzinfo=UTC)
LATELY = "since the table was dropped"
"""Stands for the moment at which a row was fetched, which nobody can know before."""


class Landed:
    """A report's table in a database, and the rows that may stand in it for one app, as stored.

    :param engine: reaches the database past the loads
    """

    def __init__(self, engine: sa.engine.Engine, app_id: str, report: Report) -> None:
        self.engine = engine
        self.database = NAMES[engine.dialect.name]
        self.table = ReportTable(engine, report)._table
        self._app_id = app_id
        self._report = report
        self._dropped = datetime.now(UTC)

    def forget(self) -> None:
        """Drop the table."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {self.table.name}"))
        self._dropped = datetime.now(UTC)

    def fill(self, rows: Iterable[Row]) -> None:
        """Let the table hold these rows and no others, made past the loads."""
        moments = {LATELY: datetime.now(UTC)}
        stored = [{**row, "fetched_at": moments.get(row["fetched_at"], row["fetched_at"])} for row in rows]
        with self.engine.begin() as connection:
            self.table.create(connection, checkfirst=True)
            connection.execute(self.table.delete())
            connection.execute(self.table.insert(), stored)

    def stored(self) -> dict[date, Row]:
        """Return the rows that the table holds, by first day; nothing where there is no table."""
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table(self.table.name):
                return {}
            rows = connection.execute(sa.select(self.table)).mappings().all()
        found = {row["period_start"]: self._as_compared(row) for row in rows}
        assert len(found) == len(rows), "a period stands there twice"
        return found

    def answers(self, periods: Iterable[Period]) -> dict[date, Row]:
        """Return the rows of the sandbox's answers, by first day."""
        return {
            period.start: {
                **self._key(period),
                "period_end": period.end,
                **(entry_of(self._app_id, period, self._report.fields) or {}),
                "extra": None,
                "fetched_at": LATELY,
            }
            for period in periods
        }

    def old(self, periods: Iterable[Period]) -> dict[date, Row]:
        """Return rows that differ from the answers in whatever is not their key, by first day."""
        others = {
            "period_end": date(2020, 1, 1),
            "ref_date": "old",
            **dict.fromkeys((field.name for field in self._report.fields), 1),
            "extra": '{"old": true}',
            "fetched_at": LONG_AGO,
        }
        return {period.start: self._key(period) | others for period in periods}

    def _key(self, period: Period) -> Row:
        return {"app_id": self._app_id, "period_start": period.start}

    def _as_compared(self, row: Mapping[str, Any]) -> Row:
        at = row["fetched_at"]
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        is_new = self._dropped <= at <= datetime.now(UTC)
        return {**row, "fetched_at": LATELY if is_new else at}
