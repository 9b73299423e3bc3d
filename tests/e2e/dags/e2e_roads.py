"""Loads the same days on every road into WeChat, a mapped task each."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_wechat.sandbox.roads import ROADS
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

with DAG(dag_id="e2e_roads", schedule=None):
    WeChatReportToSqlOperator.partial(
        task_id="load",
        report="weekly_visit_trend",
        begin_date="2026-01-05",
        through_date="2026-01-25",
        sql_conn_id="wechat_target",
        map_index_template="{{ task.wechat_conn_id }}",
    ).expand_kwargs(
        [{"wechat_conn_id": f"wechat_road_{road}", "table": f"e2e_road_{road}"} for road in ROADS]
    )
