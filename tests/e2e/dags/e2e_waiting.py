"""A period that WeChat has not published yet: once waited for in the triggerer, once by retries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

WAYS: dict[str, dict[str, Any]] = {
    "e2e_deferred": {"deferrable": True, "poll_interval": timedelta(seconds=1)},
    "e2e_retried": {"deferrable": False, "retries": 50, "retry_delay": timedelta(seconds=2)},
}

for dag_id, way in WAYS.items():
    with DAG(dag_id=dag_id, schedule=None):
        WeChatReportToSqlOperator(
            task_id="load",
            wechat_conn_id="wechat_late",
            report="daily_visit_trend",
            begin_date="2026-01-05",
            sql_conn_id="wechat_target",
            table=dag_id,
            **way,
        )
