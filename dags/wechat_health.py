"""Examine the connections each morning: what fails here would fail the loads, and here it says what to do."""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG
from wechat_names import SQL_CONN_ID, WECHAT_CONN_ID

from airflow_wechat.operators.check import WeChatCheckOperator

# [START health]
with DAG(
    dag_id="wechat_health",
    schedule="0 9 * * *",  # Beijing time, as start_date says
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    catchup=False,
    tags=["wechat"],
    doc_md=__doc__,
):
    WeChatCheckOperator(task_id="check", wechat_conn_id=WECHAT_CONN_ID, sql_conn_id=SQL_CONN_ID)
# [END health]
