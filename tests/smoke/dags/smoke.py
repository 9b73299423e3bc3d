"""What the smoke test watches: DAGs with an end, so that each has the same runs on any day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset

from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

LOADED = Asset("smoke://loaded")


def load(
    dag_id: str,
    report: str,
    first: tuple[int, int, int],
    last: tuple[int, int, int],
    schedule: Any = None,
    **more: Any,
) -> DAG:
    """Make a DAG that loads a report into a table named after the DAG, on a schedule of its own."""
    with DAG(
        dag_id=dag_id,
        schedule=schedule or ReportTimetable(report.partition("_")[0]),
        start_date=pendulum.datetime(*first, tz="Asia/Shanghai"),
        end_date=pendulum.datetime(*last, tz="Asia/Shanghai"),
        catchup=more.pop("catchup", True),
        is_paused_upon_creation=False,
    ) as dag:
        WeChatReportToSqlOperator(
            task_id="load", report=report, sql_conn_id="wechat_target", table=dag_id, **more
        )
    return dag


caught_up = load("smoke_caught_up", "weekly_visit_trend", (2026, 1, 5), (2026, 1, 26))
backfilled = load("smoke_backfilled", "daily_visit_trend", (2025, 12, 1), (2026, 3, 31), catchup=False)
by_cron = load(
    "smoke_by_cron",
    "daily_visit_trend",
    (2026, 1, 5),
    (2026, 1, 8),
    schedule="0 11 * * *",
    wechat_conn_id="wechat_other",
)
by_hand = load(
    "smoke_by_hand",
    "daily_visit_trend",
    (2025, 12, 1),
    (2026, 3, 31),
    catchup=False,
    wechat_conn_id="wechat_other",
    outlets=[LOADED],
)
after_an_asset = load(
    "smoke_after_an_asset",
    "daily_visit_trend",
    (2025, 12, 1),
    (2030, 1, 1),
    schedule=[LOADED],
    catchup=False,
    wechat_conn_id="wechat_other",
)
deferred = load(
    "smoke_deferred",
    "daily_visit_trend",
    (2026, 1, 5),
    (2026, 1, 5),
    wechat_conn_id="wechat_late",
    deferrable=True,
    poll_interval=timedelta(seconds=1),
)
