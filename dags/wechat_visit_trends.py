"""Land the daily, weekly and monthly visit trends in a database: one DAG each, named after its table."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset
from wechat_names import ASSETS, SQL_CONN_ID, TABLES, WECHAT_CONN_ID

from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

# [START visit_trends]
for granularity in ("daily", "weekly", "monthly"):
    report = f"{granularity}_visit_trend"

    with DAG(
        dag_id=TABLES[report],
        schedule=ReportTimetable(granularity),
        start_date=pendulum.datetime(2017, 1, 9, tz="Asia/Shanghai"),  # the first day of Mini Programs
        catchup=False,
        max_active_runs=4,
        default_args={
            "retries": 3,
            "retry_delay": timedelta(minutes=5),
            "retry_exponential_backoff": True,
        },
        tags=["wechat", report],
        doc_md=__doc__,
    ):
        WeChatReportToSqlOperator(
            task_id="load",
            wechat_conn_id=WECHAT_CONN_ID,
            report=report,
            sql_conn_id=SQL_CONN_ID,
            table=TABLES[report],
            deferrable=True,
            outlets=[Asset(uri=ASSETS[report])],
        )
# [END visit_trends]
