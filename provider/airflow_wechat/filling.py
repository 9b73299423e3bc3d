"""What is due now, and which DAGs, by which backfills, fill what is missing of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from airflow_wechat import gaps
from airflow_wechat.client.periods import (
    READY_AFTER,
    Granularity,
    PeriodRange,
    beijing_day,
    latest_complete,
)
from airflow_wechat.client.reports import Report

if TYPE_CHECKING:
    from airflow_wechat.airflow_versions import FoundDag


def due_periods(granularity: Granularity, since: date, now: datetime) -> PeriodRange:
    """Return the periods from the one that holds a day to the newest whose numbers are due."""
    return PeriodRange(granularity.period_of(since), latest_complete(granularity, now - READY_AFTER))


def periods_not_due(due: PeriodRange, now: datetime) -> PeriodRange:
    """Return the periods after these that are over, but whose numbers are not due yet."""
    return PeriodRange(max(due.first, due.last.next), latest_complete(due.last.granularity, now))


def plan_of(report: Report, stretches: Sequence[PeriodRange], dag: FoundDag, now: datetime) -> gaps.Plan:
    """Return how a DAG fills stretches of missing periods."""
    from airflow_wechat.airflow_versions import backfill_form
    from airflow_wechat.timetables import ReportTimetable

    own, form = ReportTimetable(report.granularity), backfill_form()
    exact = isinstance(dag.timetable, ReportTimetable) and dag.timetable.summary == own.summary
    return gaps.Plan(
        report=report,
        dag_id=dag.dag_id,
        paused=dag.is_paused,
        schedule=dag.timetable.summary,
        exact=exact,
        form=form,
        backfills=[
            (
                stretch,
                gaps.dates_of(stretch, plain=form.plain_days and _is_read_as_beijing(stretch))
                if exact
                else gaps.dates_of_runs(
                    report.granularity, stretch, dag.runs_between(*gaps.search_window(stretch, now))
                ),
            )
            for stretch in stretches
        ],
    )


def _is_read_as_beijing(stretch: PeriodRange) -> bool:
    """Tell whether Airflow takes plain days for moments of the same days in Beijing.

    It reads them in its ``default_timezone``; only one east of Beijing makes another day of them.
    """
    from airflow.providers.common.compat.sdk import timezone  # type: ignore[attr-defined]

    days = (stretch.first.start, stretch.last.end)
    return all(beijing_day(timezone.parse(str(day))) == day for day in days)
