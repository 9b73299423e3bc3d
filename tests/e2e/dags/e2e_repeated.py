"""DAGs whose tasks are cleared, or fail at first and are retried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import PartitionedAtRuntime
from e2e_loading import make_dag

from airflow_wechat.timetables import ReportTimetable

REPEATED: dict[str, tuple[str, Any]] = {
    "run_after": ("daily", None),
    "interval": ("weekly", ReportTimetable("weekly")),
    "key": ("monthly", PartitionedAtRuntime()),
}

for way in ("cleared", "retried"):
    for name, (granularity, schedule) in REPEATED.items():
        make_dag(
            f"e2e_{way}_{name}",
            granularity,
            schedule,
            start_date=pendulum.datetime(2017, 1, 9, tz="Asia/Shanghai"),
            end_date=pendulum.datetime(2026, 3, 20, tz="Asia/Shanghai"),
            catchup=False,
            default_args={"retries": 1, "retry_delay": timedelta(seconds=1)},
        )
