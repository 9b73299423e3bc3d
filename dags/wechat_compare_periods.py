"""Fetch all three visit trends each day, and compare each newest period with the one before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task
from wechat_names import WECHAT_CONN_ID

from airflow_wechat.operators.visit_trend import (
    WeChatDailyVisitTrendOperator,
    WeChatMonthlyVisitTrendOperator,
    WeChatWeeklyVisitTrendOperator,
)
from airflow_wechat.timetables import ReportTimetable

Rows = list[dict[str, Any]]

MEASURES = ("session_cnt", "visit_pv", "visit_uv", "visit_uv_new")


# [START compare_periods]
@task
def compare(daily: Rows, weekly: Rows, monthly: Rows) -> dict[str, dict[str, float | None]]:
    """Return by how many percent each measure changed from the period before to this one.

    Each report comes as the rows of two periods, the earlier first.
    """
    changes: dict[str, dict[str, float | None]] = {}
    for granularity, rows in {"daily": daily, "weekly": weekly, "monthly": monthly}.items():
        if len(rows) < 2:
            print(f"{granularity}: WeChat has no data for one of the two periods")
            continue
        before, this = rows
        changes[granularity] = {
            name: round(100 * (this[name] / before[name] - 1), 1) if before[name] else None
            for name in MEASURES
        }
        print(f"{granularity}: {before['ref_date']} -> {this['ref_date']}: {changes[granularity]}")
    return changes


with DAG(
    dag_id="wechat_compare_periods",
    schedule=ReportTimetable("daily"),
    start_date=pendulum.datetime(2017, 1, 9, tz="Asia/Shanghai"),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["wechat"],
    doc_md=__doc__,
):
    this_and_the_one_before = {"wechat_conn_id": WECHAT_CONN_ID, "lookback": 1, "deferrable": True}

    daily = WeChatDailyVisitTrendOperator(task_id="daily", **this_and_the_one_before)
    weekly = WeChatWeeklyVisitTrendOperator(task_id="weekly", **this_and_the_one_before)
    monthly = WeChatMonthlyVisitTrendOperator(task_id="monthly", **this_and_the_one_before)

    daily >> weekly >> monthly  # one after the other: three calls, no hurry
    compare(daily=daily.output, weekly=weekly.output, monthly=monthly.output)
# [END compare_periods]
