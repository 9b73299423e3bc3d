"""Weekly DAGs that catch up from awkward starts; each loads into a table of its name."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG

from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

STARTS = {
    "e2e_from_mid_week": pendulum.datetime(2025, 12, 31, tz="UTC"),
    "e2e_from_utc_monday": pendulum.datetime(2025, 12, 29, tz="UTC"),  # eight hours into the week in Beijing
    "e2e_from_beijing_monday": pendulum.datetime(2025, 12, 28, 16, tz="UTC"),
}

for dag_id, start in STARTS.items():
    with DAG(
        dag_id=dag_id,
        schedule=ReportTimetable("weekly"),
        start_date=start,
        end_date=pendulum.datetime(2026, 1, 14, tz="UTC"),
        catchup=True,
    ):
        WeChatReportToSqlOperator(
            task_id="load",
            wechat_conn_id="wechat_default",
            report="weekly_visit_trend",
            sql_conn_id="wechat_target",
            table=dag_id,
        )
