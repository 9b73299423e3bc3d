"""Loads with assets, and DAGs that they start; each load's table has the name of its DAG."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, task
from airflow.providers.openlineage.utils.selective_enable import enable_lineage
from airflow.sdk import PartitionedAssetTimetable, RollupMapper, StartOfWeekMapper, WeekWindow

from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

# As in the sample DAGs, which lie in another bundle.
SAMPLE_TABLE = "wechat_daily_visit_trend"
LANDED = Asset(uri=f"wechat_target/{SAMPLE_TABLE}")
LANDED_DAYS = Asset(uri=f"wechat_target/{SAMPLE_TABLE}/days")

FROM_LATE = {"wechat_conn_id": "wechat_late", "begin_date": "2026-01-05", "deferrable": True}

# What each loads, besides a backfill's days.
LOADS: dict[str, dict[str, Any]] = {
    "e2e_asset": {},
    "e2e_asset_failing": {"begin_date": "2099-01-01"},
    "e2e_asset_deferred": {**FROM_LATE, "lookback": 2, "poll_interval": timedelta(seconds=1)},
}


def load(table: str, **arguments: Any) -> dict[str, Any]:
    return {
        "task_id": "load",
        "report": "daily_visit_trend",
        "sql_conn_id": "wechat_target",
        "table": table,
        **arguments,
    }


@task
def seen(**context: Any) -> list[dict[str, Any]]:
    """Hand on what started this run."""
    return [event.extra for events in context["triggering_asset_events"].values() for event in events]


for dag_id, arguments in LOADS.items():
    with DAG(
        dag_id=dag_id,
        schedule=None if arguments else ReportTimetable("daily"),
        start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
        end_date=pendulum.datetime(2026, 1, 10, tz="Asia/Shanghai"),  # so that only a backfill has runs
        catchup=False,
    ) as dag:
        WeChatReportToSqlOperator(**load(dag_id, outlets=[Asset(uri=f"e2e/{dag_id}")], **arguments))
    enable_lineage(dag)

    with DAG(dag_id=f"{dag_id}_consumer", schedule=[Asset(uri=f"e2e/{dag_id}")]):
        seen()

with DAG(dag_id="e2e_asset_mapped", schedule=None):
    WeChatReportToSqlOperator.partial(
        **load("e2e_asset_mapped", outlets=[Asset(uri="e2e/e2e_asset_mapped")])
    ).expand(begin_date=["2026-01-05", "2026-01-07"])

with DAG(dag_id="e2e_asset_sample", schedule=None):
    WeChatReportToSqlOperator(
        **load(SAMPLE_TABLE, outlets=[LANDED], begin_date="2026-01-10", end_date="2026-01-11")
    )

# Consumers of the sample DAG wechat_load_days, which load themselves; and one that partitions never start.
WEEKS = RollupMapper(upstream_mapper=StartOfWeekMapper(timezone="Asia/Shanghai"), window=WeekWindow())

with DAG(dag_id="e2e_asset_each_day", schedule=PartitionedAssetTimetable(assets=LANDED_DAYS)):
    WeChatReportToSqlOperator(**load("e2e_asset_each_day"))

with DAG(
    dag_id="e2e_asset_full_week",
    schedule=PartitionedAssetTimetable(assets=LANDED_DAYS, default_partition_mapper=WEEKS),
):
    WeChatReportToSqlOperator(**load("e2e_asset_full_week", report="weekly_visit_trend"))

with DAG(dag_id="e2e_asset_plain", schedule=[LANDED_DAYS]):
    seen()
