from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from wechat_names import TABLES

from airflow_wechat.client.periods import periods_between
from airflow_wechat.client.reports import get_report
from e2e.journal import asked_for

RANGES = {
    "daily_visit_trend": (date(2025, 12, 29), date(2026, 1, 2), 5),
    "weekly_visit_trend": (date(2025, 12, 31), date(2026, 1, 14), 3),
    "monthly_visit_trend": (date(2025, 11, 15), date(2026, 2, 10), 4),
}
"""Plain dates, over the turn of the year; weeks and months begin and end in their middle."""


@pytest.mark.parametrize("report", RANGES)
def test_a_backfill_covers_both_ends_and_asks_for_each_period_once(
    airflow, target, first_runs, open_journal, report
):
    first, last, count = RANGES[report]
    expected = list(periods_between(get_report(report).granularity, first, last))
    known = len(airflow.api.runs(TABLES[report]))
    journal = open_journal()

    airflow.api.create_backfill(TABLES[report], first, last)
    runs = airflow.wait_for_runs(TABLES[report], known + count)

    assert Counter(journal.asked(report)) == Counter(map(asked_for, expected))
    assert len(expected) == count
    assert journal.tokens() == count  # one a run
    assert set(target.starts(TABLES[report])) >= {str(period.start) for period in expected}
    assert {run["state"] for run in runs} == {"success"}
