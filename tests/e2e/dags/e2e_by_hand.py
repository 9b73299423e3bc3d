"""DAGs to be triggered by hand, and by assets."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    CronPartitionTimetable,
    Param,
    PartitionedAssetTimetable,
    PartitionedAtRuntime,
    task,
)
from e2e_loading import make_dag

from airflow_wechat.timetables import ReportTimetable

BEIJING = "Asia/Shanghai"

LOADED = Asset("e2e_loaded")
KEYED = Asset("e2e_keyed")

BY_HAND: dict[str, tuple[str, Any]] = {
    "cli_report": ("daily", ReportTimetable("daily")),
    "cli_bare": ("monthly", None),
    "cli_partition": ("weekly", CronPartitionTimetable("0 0 * * 1", timezone=BEIJING)),
    "rest_report_daily": ("daily", ReportTimetable("daily")),
    "rest_report_weekly": ("weekly", ReportTimetable("weekly")),
    "rest_report_monthly": ("monthly", ReportTimetable("monthly")),
    "rest_interval": ("weekly", CronDataIntervalTimetable("0 0 * * 1", timezone=BEIJING)),
    "rest_cron": ("daily", "@daily"),
    "rest_bare": ("daily", None),
    "rest_given_interval": ("daily", None),
    "rest_run_after": ("daily", None),
    "key_daily": ("daily", PartitionedAtRuntime()),
    "key_weekly": ("weekly", PartitionedAtRuntime()),
    "key_monthly": ("monthly", PartitionedAtRuntime()),
    "key_of_cron": ("daily", CronPartitionTimetable("0 0 * * *", timezone=BEIJING)),
    "key_no_day": ("daily", PartitionedAtRuntime()),
    "key_no_day_of_the_calendar": ("daily", PartitionedAtRuntime()),
    "key_not_over": ("monthly", PartitionedAtRuntime()),
}

BY_ASSET: dict[str, tuple[str, Any]] = {
    "daily": ("daily", [LOADED]),
    "monthly": ("monthly", [LOADED]),
    "or_time": ("weekly", AssetOrTimeSchedule(timetable=ReportTimetable("weekly"), assets=[LOADED])),
    "keyed": ("daily", PartitionedAssetTimetable(assets=KEYED)),
}

FORMS = {"form": "daily", "form_one_day": "weekly", "form_and_date": "monthly"}

# Past its end a DAG makes no runs of itself.
_NO_SCHEDULED_RUNS: dict[str, Any] = {
    "start_date": pendulum.datetime(2017, 1, 9, tz=BEIJING),
    "end_date": pendulum.datetime(2026, 3, 20, tz=BEIJING),
    "catchup": False,
}
_SCHEDULED = (ReportTimetable, CronDataIntervalTimetable, CronPartitionTimetable, AssetOrTimeSchedule, str)


def _options(schedule: Any) -> dict[str, Any]:
    return _NO_SCHEDULED_RUNS if isinstance(schedule, _SCHEDULED) else {}


for name, (granularity, schedule) in BY_HAND.items():
    make_dag(f"e2e_hand_{name}", granularity, schedule, default_args={"retries": 3}, **_options(schedule))

for name, (granularity, schedule) in BY_ASSET.items():
    make_dag(f"e2e_on_asset_{name}", granularity, schedule, **_options(schedule))

for name, granularity in FORMS.items():
    make_dag(
        f"e2e_hand_{name}",
        granularity,
        params={field: Param(None, type=["null", "string"]) for field in ("begin_date", "end_date")},
        load={field: f"{{{{ params.{field} or '' }}}}" for field in ("begin_date", "end_date")},
    )


@task(outlets=[LOADED])
def produce() -> None:
    """Change the asset."""


with DAG(dag_id="e2e_producer", schedule=None):
    produce()
