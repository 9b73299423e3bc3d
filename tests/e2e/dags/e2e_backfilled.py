"""DAGs to be backfilled; of themselves they make no runs, but for one."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import Asset, AssetOrTimeSchedule, CronDataIntervalTimetable, CronPartitionTimetable
from e2e_loading import make_dag

from airflow_wechat.timetables import ReportTimetable

BEIJING = "Asia/Shanghai"

BACKFILLED: dict[str, tuple[str, Any]] = {
    "year_turn": ("daily", ReportTimetable("daily")),
    "leap_day_backwards": ("daily", ReportTimetable("daily")),
    "month_end": ("daily", ReportTimetable("daily")),
    "weekly_backwards": ("weekly", ReportTimetable("weekly")),
    "weekly_year_turn": ("weekly", ReportTimetable("weekly")),
    "monthly": ("monthly", ReportTimetable("monthly")),
    "monthly_backwards": ("monthly", ReportTimetable("monthly")),
    "asset_or_time": (
        "weekly",
        AssetOrTimeSchedule(timetable=ReportTimetable("weekly"), assets=[Asset("e2e_never")]),
    ),
    "at_daily": ("daily", "@daily"),
    "at_daily_in_beijing": ("daily", "@daily"),
    "at_weekly": ("weekly", "@weekly"),
    "at_monthly": ("monthly", "@monthly"),
    "interval": ("daily", CronDataIntervalTimetable("0 0 * * *", timezone=BEIJING)),
    "interval_utc": ("daily", CronDataIntervalTimetable("@daily", timezone="UTC")),
    "partition_daily": ("daily", CronPartitionTimetable("0 0 * * *", timezone=BEIJING, run_offset=-1)),
    "partition_weekly": (
        "weekly",
        CronPartitionTimetable("0 0 * * 1", timezone=BEIJING, run_offset=-1, key_format="%Y-%m-%d"),
    ),
    "partition_monthly": (
        "monthly",
        CronPartitionTimetable("0 0 1 * *", timezone=BEIJING, run_offset=-1, key_format="%Y%m"),
    ),
    "again": ("daily", ReportTimetable("daily")),
    "again_weekly": ("weekly", ReportTimetable("weekly")),
    "again_partition": ("daily", CronPartitionTimetable("0 0 * * *", timezone=BEIJING, run_offset=-1)),
    "not_again": ("daily", ReportTimetable("daily")),
}

# In which a cron string is read.
TIMEZONES = {"at_daily": "UTC", "at_weekly": "UTC", "at_monthly": "UTC"}

for name, (granularity, schedule) in BACKFILLED.items():
    make_dag(
        f"e2e_backfill_{name}",
        granularity,
        schedule,
        start_date=pendulum.datetime(2017, 1, 9, tz=TIMEZONES.get(name, BEIJING)),
        end_date=pendulum.datetime(2026, 3, 20, tz=BEIJING),
        catchup=False,
    )

make_dag(
    "e2e_backfill_beside",
    "daily",
    ReportTimetable("daily"),
    start_date=pendulum.datetime(2026, 1, 1, tz=BEIJING),
    end_date=pendulum.datetime(2026, 1, 10, tz=BEIJING),
    catchup=True,
    max_active_runs=2,
)
