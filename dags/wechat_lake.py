"""Land the daily, weekly and monthly visit trends in files, a Parquet file for each period: one DAG each."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset
from wechat_names import LAKE_CONN_ID, LAKE_PATH, TABLES, WECHAT_CONN_ID

from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator

# [START lake]
for granularity in ("daily", "weekly", "monthly"):
    report = f"{granularity}_visit_trend"

    with DAG(
        dag_id=f"{TABLES[report]}_to_lake",
        schedule=ReportTimetable(granularity),
        start_date=pendulum.datetime(2017, 1, 9, tz="Asia/Shanghai"),  # the first day of Mini Programs
        catchup=False,
        max_active_runs=4,
        default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
        tags=["wechat", "lake"],
        doc_md=__doc__,
    ):
        WeChatReportToObjectStorageOperator(
            task_id="load",
            wechat_conn_id=WECHAT_CONN_ID,
            report=report,
            path=LAKE_PATH,
            storage_conn_id=LAKE_CONN_ID,
            file_format="parquet",
            deferrable=True,
            outlets=[Asset(uri=f"{LAKE_PATH}/{report}")],
        )
# [END lake]
