"""What a table holds of the sandbox's answers, and what it has to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa

from airflow_wechat.client.periods import Period
from airflow_wechat.client.reports import Report
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.storage.sql import ReportTable

Numbers = dict[str, Any]


class Landed:
    """A report's table in a database, and the sandbox's answers for one app.

    :param engine: reaches the database past the loads
    """

    def __init__(self, engine: sa.engine.Engine, app_id: str, report: Report) -> None:
        self.engine = engine
        self.table = ReportTable(engine, report)
        self.names = tuple(column.name for column in report.fields)
        self._app_id = app_id
        self._report = report

    @property
    def database(self) -> str:
        """Which database it is, as a reader calls it."""
        name = self.engine.dialect.name
        return {"mysql": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}[name]

    def forget(self) -> None:
        """Drop the table."""
        self.sql(f"DROP TABLE IF EXISTS {self.table.name}")

    def sql(self, statement: str) -> None:
        """Run SQL as it is."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def stored(self) -> dict[date, Numbers]:
        """Return the numbers that the table holds, by first day; nothing where there is no table."""
        if self.table.missing() is None:
            return {}
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(self.table._table)).mappings().all()
        found = {row["period_start"]: self._numbers(row) for row in rows}
        assert len(found) == len(rows), "a period stands there twice"
        return found

    def answers(self, periods: Iterable[Period]) -> dict[date, Numbers]:
        """Return the numbers that the sandbox has, by first day."""
        entries = {period: entry_of(self._app_id, period, self._report.fields) for period in periods}
        return {period.start: self._numbers(entry or {}) for period, entry in entries.items()}

    def _numbers(self, entry: Mapping[str, Any]) -> Numbers:
        return {name: entry[name] for name in self.names}
