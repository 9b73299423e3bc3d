"""Land the daily visit trend of many Mini Programs in one table: a mapped task each.

Wants the pool that it names: ``airflow pools set wechat 4 "Tasks that ask WeChat"``.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset
from wechat_names import SQL_CONN_ID, TABLES, WECHAT_CONN_IDS, WECHAT_POOL

from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

REPORT = "daily_visit_trend"

# [START many_apps]
with DAG(
    dag_id="wechat_many_apps",
    schedule=ReportTimetable("daily"),
    start_date=pendulum.datetime(2017, 1, 9, tz="Asia/Shanghai"),
    catchup=False,
    max_active_runs=4,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["wechat"],
    doc_md=__doc__,
):
    WeChatReportToSqlOperator.partial(
        task_id="load",
        report=REPORT,
        sql_conn_id=SQL_CONN_ID,
        table=TABLES[REPORT],
        deferrable=True,
        pool=WECHAT_POOL,
        map_index_template="{{ task.wechat_conn_id }}",
        outlets=[Asset(uri=f"{SQL_CONN_ID}/{TABLES[REPORT]}")],
    ).expand(wechat_conn_id=list(WECHAT_CONN_IDS))
# [END many_apps]
