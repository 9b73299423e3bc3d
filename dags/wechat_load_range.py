"""Load a chosen report for a chosen range of days, in one run: years of history, or a gap to be filled."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG, Param
from wechat_names import SQL_CONN_ID, TABLES, WECHAT_CONN_ID

from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

# [START load_range]
with DAG(
    dag_id="wechat_load_range",
    schedule=None,
    params={
        "report": Param(
            "daily_visit_trend",
            type="string",
            enum=list(TABLES),
            title="Report",
        ),
        "begin_date": Param(
            "2026-01-01",
            type="string",
            format="date",
            title="First day",
            description="In Beijing, included. Every period with a day in the range is loaded.",
        ),
        "end_date": Param(
            "2026-01-31",
            type="string",
            format="date",
            title="Last day",
            description="In Beijing, included. Its day, week or month must be over.",
        ),
    },
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["wechat"],
    doc_md=__doc__,
):
    WeChatReportToSqlOperator(
        task_id="load",
        wechat_conn_id=WECHAT_CONN_ID,
        report="{{ params.report }}",
        sql_conn_id=SQL_CONN_ID,
        begin_date="{{ params.begin_date }}",
        end_date="{{ params.end_date }}",
        deferrable=True,
    )
# [END load_range]
