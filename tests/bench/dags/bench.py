"""DAGs that differ in nothing but their task: ours, and those to compare it with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.http.sensors.http import HttpSensor

from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

ROUNDS = 4
WAITS = 200

START = pendulum.datetime(2017, 1, 9, tz="Asia/Shanghai")
END = pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai")  # so that no run is due but those of backfills


@task
def nothing() -> None:
    """Do nothing."""


@task
def by_hand(data_interval_end: Any = None) -> None:
    """Land the day as one would without us, with none of our promises but the upsert."""
    import requests
    from airflow.providers.common.compat.sdk import BaseHook
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    wechat = BaseHook.get_connection("wechat_default")
    day = f"{pendulum.instance(data_interval_end).in_timezone('Asia/Shanghai').subtract(days=1):%Y%m%d}"
    credentials = {
        "grant_type": "client_credential",
        "appid": wechat.login,
        "secret": wechat.password,
    }
    token = requests.post(f"{wechat.host}/cgi-bin/stable_token", json=credentials, timeout=30).json()
    answer = requests.post(
        f"{wechat.host}/datacube/getweanalysisappiddailyvisittrend",
        params={"access_token": token["access_token"]},
        json={"begin_date": day, "end_date": day},
        timeout=30,
    ).json()
    PostgresHook("wechat_target").run(
        "INSERT INTO by_hand VALUES (%s, %s) ON CONFLICT (day) DO UPDATE SET visits = excluded.visits",
        parameters=(day, answer["list"][0]["visit_pv"]),
    )


def load(**arguments: Any) -> None:
    """Land what a run stands for."""
    WeChatReportToSqlOperator(
        task_id="load", report="daily_visit_trend", sql_conn_id="wechat_target", **arguments
    )


for number in range(ROUNDS):
    for name, add_task in (("ours", load), ("by_hand", by_hand), ("empty", nothing)):
        with DAG(
            dag_id=f"bench_{name}_{number}",
            schedule=ReportTimetable("daily"),
            start_date=START,
            end_date=END,
            catchup=False,
            max_active_runs=16,
        ):
            add_task()

with DAG(dag_id="bench_waiting_ours", schedule=None):
    WeChatReportToSqlOperator.partial(
        task_id="wait",
        report="daily_visit_trend",
        sql_conn_id="wechat_target",
        deferrable=True,
        poll_interval=timedelta(seconds=30),
    ).expand(begin_date=["2026-01-05"] * WAITS)

with DAG(dag_id="bench_waiting_peer", schedule=None):
    HttpSensor.partial(
        task_id="wait", http_conn_id="bench_http", deferrable=True, poke_interval=30, method="GET"
    ).expand(endpoint=["nothing"] * WAITS)
