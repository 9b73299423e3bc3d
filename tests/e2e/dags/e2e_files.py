"""Loads days into files of each format and into a table; and a day that is waited for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

REPORT = "daily_visit_trend"
PLACE: dict[str, Any] = {"path": "s3://e2e-lake/{{ dag.dag_id }}", "storage_conn_id": "e2e_s3"}

with DAG(dag_id="e2e_files", schedule=None):
    days = {"report": REPORT, "begin_date": "2026-01-30"}
    WeChatReportToObjectStorageOperator.partial(
        task_id="files", through_date="2026-02-02", **days, **PLACE
    ).expand(file_format=["jsonl", "csv", "parquet"])
    WeChatReportToSqlOperator(
        task_id="table", end_date="2026-02-02", sql_conn_id="wechat_target", table="e2e_files", **days
    )

with DAG(dag_id="e2e_files_waited_for", schedule=None):
    WeChatReportToObjectStorageOperator(
        task_id="load",
        wechat_conn_id="wechat_late",
        report=REPORT,
        begin_date="2026-01-05",
        deferrable=True,
        poll_interval=timedelta(seconds=1),
        **PLACE,
    )

with DAG(dag_id="e2e_files_nowhere", schedule=None):
    WeChatReportToObjectStorageOperator(
        task_id="load",
        report=REPORT,
        begin_date="2026-01-05",
        retries=3,
        **PLACE | {"path": "s3://e2e-no-such-bucket/lake"},
    )
