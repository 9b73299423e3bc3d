"""A DAG for each kind of schedule: those that catch up between fixed moments, and those that begin now."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import (
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    CronPartitionTimetable,
    CronTriggerTimetable,
)
from e2e_loading import make_dag

from airflow_wechat.timetables import ReportTimetable

BEIJING = "Asia/Shanghai"


def _intervals(cron: str, timezone: str = BEIJING) -> CronDataIntervalTimetable:
    return CronDataIntervalTimetable(cron, timezone=timezone)


def _partitions(cron: str, **options: Any) -> CronPartitionTimetable:
    return CronPartitionTimetable(cron, timezone=BEIJING, **options)


CATCHING_UP: dict[str, tuple[str, Any, str, str]] = {
    "report_daily": ("daily", ReportTimetable("daily"), "2024-02-27T00+08", "2024-03-01T00+08"),
    "report_monthly": ("monthly", ReportTimetable("monthly"), "2025-11-15T00+08", "2026-02-01T00+08"),
    "interval_daily": ("daily", _intervals("0 0 * * *"), "2025-12-30T00+08", "2026-01-02T00+08"),
    "interval_weekly": ("weekly", _intervals("0 0 * * 1"), "2025-12-22T00+08", "2026-01-05T00+08"),
    "interval_monthly": ("monthly", _intervals("0 0 1 * *"), "2025-11-01T00+08", "2026-01-31T00+08"),
    # What @daily and @monthly are where [scheduler] create_cron_data_intervals is on.
    "interval_daily_utc": ("daily", _intervals("@daily", "UTC"), "2024-02-28T00Z", "2024-03-01T00Z"),
    "interval_monthly_utc": ("monthly", _intervals("@monthly", "UTC"), "2025-12-01T00Z", "2026-01-01T00Z"),
    "cron": ("daily", "30 2 * * *", "2026-02-28T00Z", "2026-03-02T12Z"),
    # Half past midnight in Beijing, while it is still the day before in UTC.
    "cron_at_night": ("daily", "30 16 * * *", "2024-02-28T00Z", "2024-03-01T00Z"),
    "cron_in_beijing": (
        "daily",
        CronTriggerTimetable("30 10 * * *", timezone=BEIJING),
        "2026-01-01T00+08",
        "2026-01-02T12+08",
    ),
    "at_daily": ("daily", "@daily", "2025-12-31T00Z", "2026-01-02T00Z"),
    # A cron string is read in the time zone of start_date.
    "at_daily_in_beijing": ("daily", "@daily", "2025-12-31T00+08", "2026-01-02T00+08"),
    "at_weekly": ("weekly", "@weekly", "2026-01-04T00Z", "2026-01-11T00Z"),
    "at_monthly": ("monthly", "@monthly", "2026-01-01T00Z", "2026-03-01T00Z"),
    "partition_daily": (
        "daily",
        _partitions("0 0 * * *", run_offset=-1),
        "2024-02-29T00+08",
        "2024-03-02T00+08",
    ),
    "partition_weekly": (
        "weekly",
        _partitions("0 0 * * 1", run_offset=-1, key_format="%Y-%m-%d"),
        "2025-12-29T00+08",
        "2026-01-05T00+08",
    ),
    "partition_monthly": (
        "monthly",
        _partitions("0 0 1 * *", run_offset=-1, key_format="%Y-%m"),
        "2026-01-01T00+08",
        "2026-03-01T00+08",
    ),
    "asset_or_time": (
        "weekly",
        AssetOrTimeSchedule(timetable=ReportTimetable("weekly"), assets=[Asset("e2e_never")]),
        "2025-12-31T00Z",
        "2026-01-12T00Z",
    ),
}
"""DAG: granularity, schedule, ``start_date``, ``end_date``."""

BEGINNING_NOW: dict[str, tuple[str, Any, str]] = {
    "interval": ("daily", _intervals("0 0 * * *"), BEIJING),
    "at_daily": ("daily", "@daily", "UTC"),
    "at_monthly": ("monthly", "@monthly", BEIJING),
    "partition": ("daily", _partitions("0 0 * * *", run_offset=-1), BEIJING),
    "unfinished_partition": ("weekly", _partitions("0 0 * * 1"), BEIJING),
}
"""DAG: granularity, schedule, time zone of ``start_date``."""

for name, (granularity, schedule, start, end) in CATCHING_UP.items():
    make_dag(
        f"e2e_catchup_{name}",
        granularity,
        schedule,
        start_date=pendulum.parse(start),
        end_date=pendulum.parse(end),
        catchup=True,
    )

for name, (granularity, schedule, timezone) in BEGINNING_NOW.items():
    make_dag(
        f"e2e_now_{name}",
        granularity,
        schedule,
        start_date=pendulum.datetime(2026, 1, 1, tz=timezone),
        catchup=False,
        default_args={"retries": 3},
    )
