"""Airflow's database of the tests in ``tests/airflow``, with DAGs that are there for gaps."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from warnings import catch_warnings

DAGS = """
import pendulum
from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable
from airflow_wechat.timetables import ReportTimetable

def dag(dag_id, schedule, *tags, start=pendulum.datetime(2017, 1, 9, tz="Asia/Shanghai")):
    with DAG(dag_id, schedule=schedule, start_date=start, catchup=False, tags=list(tags)) as one:
        globals()[dag_id] = one

dag("own_daily", ReportTimetable("daily"), "wechat", "daily_visit_trend")
dag("own_weekly_one", ReportTimetable("weekly"), "weekly_visit_trend")
dag("own_weekly_two", ReportTimetable("weekly"), "weekly_visit_trend")
dag("own_monthly", ReportTimetable("monthly"))
dag("cron", CronTriggerTimetable("0 11 * * *", timezone="Asia/Shanghai"))
dag("cron_interval", CronDataIntervalTimetable("0 0 * * *", timezone="Asia/Shanghai"))
dag("cron_utc", CronDataIntervalTimetable("0 0 * * *", timezone="UTC"))
dag("no_schedule", None)
try:
    from airflow.timetables.trigger import CronPartitionTimetable
except ImportError:  # up to Airflow 3.1
    pass
else:
    for name, zone in (("shanghai", "Asia/Shanghai"), ("new_york", "America/New_York"), ("utc", "UTC")):
        for hour in (0, 11):
            timetable = CronPartitionTimetable(f"0 {hour} * * *", timezone=zone, run_offset=-1)
            dag(f"partitions_{name}_{hour}", timetable)
"""


def run_process(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=os.environ | {"PYTHONWARNINGS": "ignore"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@cache
def read_own_dags() -> None:
    """Let Airflow read the DAGs above into its database; all are paused."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "own.py").write_text(DAGS)
        for words in (("db", "migrate"), ("dags", "reserialize")):
            done = run_process("airflow", *words, AIRFLOW__CORE__DAGS_FOLDER=folder)
            assert done.returncode == 0, done.stderr
    from airflow_wechat.airflow_versions import find_dags

    with catch_warnings(action="ignore"):  # what Airflow 3.1's models do is blamed on who asks first
        find_dags(tag="")
