"""A period that WeChat has not published yet, waited for in the triggerer or by retries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.openlineage.utils.selective_enable import enable_lineage

from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

WAYS: dict[str, dict[str, Any]] = {
    "e2e_deferred": {"deferrable": True, "poll_interval": timedelta(seconds=1)},
    "e2e_retried": {"deferrable": False, "retries": 50, "retry_delay": timedelta(seconds=2)},
    "e2e_given_up": {
        "deferrable": True,
        "poll_interval": timedelta(seconds=4),
        "wait_timeout": timedelta(seconds=10),
        "retries": 3,
    },
    "e2e_kept": {"deferrable": True, "poll_interval": timedelta(seconds=4)},
    "e2e_killed": {"deferrable": True, "poll_interval": timedelta(seconds=4)},
    "e2e_taken_over": {"deferrable": True, "poll_interval": timedelta(seconds=4)},
    "e2e_searched": {"deferrable": True, "poll_interval": timedelta(seconds=1)},
}


def period(table: str) -> dict[str, Any]:
    """Return what all of them load."""
    return {
        "task_id": "load",
        "report": "daily_visit_trend",
        "begin_date": "2026-01-05",
        "sql_conn_id": "wechat_target",
        "table": table,
    }


for dag_id, way in WAYS.items():
    with DAG(dag_id=dag_id, schedule=None) as dag:
        WeChatReportToSqlOperator(wechat_conn_id="wechat_late", **period(dag_id), **way)
    if dag_id == "e2e_searched":
        enable_lineage(dag)

with DAG(dag_id="e2e_two_hundred", schedule=None):
    WeChatReportToSqlOperator.partial(
        **period("e2e_two_hundred"), deferrable=True, poll_interval=timedelta(seconds=15)
    ).expand(wechat_conn_id=[f"wechat_waiting_{number}" for number in range(200)])
