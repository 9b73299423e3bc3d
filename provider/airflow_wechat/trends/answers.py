"""What the page is told, as JSON: pure, from rows and the present moment."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from airflow_wechat.client.periods import PeriodRange, latest_complete, stretches_of
from airflow_wechat.client.reports import Report
from airflow_wechat.filling import due_periods
from airflow_wechat.gaps import Plan, missing_of

Json = dict[str, Any]

LONGEST_GAP = 3_700
"""Days: what one backfill can be offered for."""

LONGEST_RANGE = 20_000
"""Days: what a page can be asked for at once, more than fifty years."""


def columns_of(report: Report) -> list[str]:
    """Return the columns that a trend has."""
    return ["period_start", "period_end", *(field.name for field in report.fields)]


def trend(report: Report, rows: Sequence[tuple[Any, ...]]) -> Json:
    """Return the numbers column by column, periods in their order."""
    names = columns_of(report)
    by_column = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: [*map(_plain, values)] for name, values in zip(names, by_column, strict=True)}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, date) else value


def coverage(report: Report, asked: PeriodRange, stored: Collection[date], now: datetime) -> Json:
    """Return which periods of a range have landed, are missing, or are still to be published.

    :param asked: the range; periods that are not over yet are left out
    :return: ``periods``, each with its first and last day and its ``state``; ``gaps``: the missing ones,
        those that follow each other joined
    """
    granularity = report.granularity
    over = PeriodRange(asked.first, min(asked.last, latest_complete(granularity, now)))
    newest_due = due_periods(granularity, asked.first.start, now).last

    def state(start: date) -> str:
        if start in stored:
            return "landed"
        return "missing" if start <= newest_due.start else "to_be_published"

    periods = [(period, state(period.start)) for period in over]
    missing = [period for period in missing_of(over, stored) if period <= newest_due]
    return {
        "periods": [
            {"start": str(period.start), "end": str(period.end), "state": told} for period, told in periods
        ],
        "gaps": [
            {"first": str(one.first.start), "last": str(one.last.end), "count": len(list(one))}
            for one in stretches_of(missing)
        ],
    }


def plan(found: Plan, *, may_fill: bool) -> Json:
    """Return how a DAG fills one gap: the body of a request to Airflow's own API, or ``None``."""
    ((_, dates),) = found.backfills
    return {
        "dag_id": found.dag_id,
        "paused": found.paused,
        "schedule": found.schedule,
        "dates_are_sure": found.exact,
        "may_fill": may_fill,
        "backfill": dates
        and {
            "dag_id": found.dag_id,
            "from_date": _moment(dates.begin),
            "to_date": _moment(dates.end),
            "reprocess_behavior": "completed",
        },
    }


def _moment(text: str) -> str:
    # Airflow's API wants a time and a zone; where its command takes plain days they are days in UTC.
    return text if "T" in text else f"{text}T00:00:00Z"
