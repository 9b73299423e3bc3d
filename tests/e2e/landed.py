"""What has to be in the target after the demo, and what is."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wechat_names import TABLES

from airflow_wechat.client.periods import Period, PeriodRange, latest_complete
from airflow_wechat.client.reports import get_report
from airflow_wechat.sandbox.numbers import entry_of

PERIODS = {"daily_visit_trend": 30, "weekly_visit_trend": 8, "monthly_visit_trend": 6}
"""How many of the latest complete periods the demo lands of each report."""


@dataclass(frozen=True)
class Landing:
    """A report's periods as they were asked for, and the rows of its table, by their first days."""

    report: str
    expected: Sequence[Period]
    rows: Mapping[str, Mapping[str, Any]]

    @property
    def table(self) -> str:
        """The table the report lands in."""
        return TABLES[self.report]

    @property
    def landed(self) -> list[Mapping[str, Any]]:
        """The rows of the expected periods, in their order."""
        return [row for period in self.expected if (row := self.rows.get(str(period.start)))]

    @property
    def missing(self) -> list[Period]:
        """The expected periods without a row."""
        return [period for period in self.expected if str(period.start) not in self.rows]

    def wrong(self, app_id: str) -> list[str]:
        """Return what differs from the numbers that the sandbox gives."""
        return [
            f"{self.report} of {period}: {name} is {row[name]}, not {number}"
            for period in self.expected
            if (row := self.rows.get(str(period.start)))
            for name, number in self._numbers(app_id, period).items()
            if row[name] != number
        ]

    def _numbers(self, app_id: str, period: Period) -> Mapping[str, Any]:
        return {"app_id": app_id, **(entry_of(app_id, period, get_report(self.report).fields) or {})}


def expected_periods(report: str, moment: datetime) -> list[Period]:
    """Return the periods that a report's backfill is to land, the latest complete at ``moment`` the last."""
    last = latest_complete(get_report(report).granularity, moment)
    return list(PeriodRange(last.earlier(PERIODS[report] - 1), last))


def read_landing(database: Path, report: str, expected: Sequence[Period]) -> Landing:
    """Return what a report's table holds; nothing where there is no table."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            found = connection.execute(f"SELECT * FROM {TABLES[report]} ORDER BY period_start").fetchall()
        except sqlite3.OperationalError:
            found = []
    return Landing(report, expected, {row["period_start"]: dict(row) for row in found})
