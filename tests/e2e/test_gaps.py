from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql
from wechat_names import SQL_CONN_ID, TABLES

from airflow_wechat.client.periods import READY_AFTER, PeriodRange, latest_complete
from airflow_wechat.client.reports import get_report
from e2e.journal import asked_for

MISSING = {"daily_visit_trend": (0, 3), "weekly_visit_trend": (0, 1, 2)}
"""Of ten periods. The first has never had a run; the runs of the others have succeeded."""

STRETCHES = {"daily_visit_trend": 2, "weekly_visit_trend": 1}


@pytest.fixture
def shell(airflow):
    """Run a line as a person would who has ``airflow`` on the path, and return its status and stdout."""
    env = {
        **airflow.env,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",  # at DEBUG Airflow's commands log to stdout
    }

    def run(line):
        done = subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True, check=False)
        assert done.returncode < 2, done.stderr
        return done.returncode, done.stdout

    return run


@pytest.fixture
def end_of_backfills(airflow):
    """Wait until no backfill of a DAG is under way."""

    def ended(dag_id):
        backfills = airflow.api.call("GET", "/backfills", params={"dag_id": dag_id})["backfills"]
        return all(backfill["completed_at"] for backfill in backfills)

    return lambda dag_id: airflow.wait(lambda: ended(dag_id), f"backfills of {dag_id} end", timeout=240)


def rows_of(target, table):
    """Return when each period was fetched."""
    query = sql.SQL("SELECT period_start, fetched_at FROM {}").format(sql.Identifier(table))
    return dict(target.select(query))


def delete(airflow, table, starts):
    query = sql.SQL("DELETE FROM {} WHERE period_start = ANY(%s)").format(sql.Identifier(table))
    with closing(psycopg2.connect(airflow.postgres.uri("target"))) as connection, connection:
        connection.cursor().execute(query, (starts,))


@pytest.mark.parametrize("report", MISSING)
def test_the_commands_it_prints_fill_what_is_missing_and_touch_no_other_row(
    airflow, target, first_runs, open_journal, shell, end_of_backfills, report
):
    dag_id = TABLES[report]
    newest = latest_complete(get_report(report).granularity, datetime.now(UTC) - READY_AFTER)
    periods = list(PeriodRange(newest.earlier(9), newest))
    missing = [periods[at] for at in MISSING[report]]
    end_of_backfills(dag_id)
    airflow.api.create_backfill(dag_id, periods[1].start, newest.end)
    end_of_backfills(dag_id)
    delete(airflow, dag_id, [period.start for period in missing])
    before = rows_of(target, dag_id)
    airflow.api.pause(dag_id)
    journal = open_journal()
    look = f"airflow wechat gaps --report {report} --sql-conn-id {SQL_CONN_ID} --since {periods[0].start}"

    status, script = shell(look)
    for line in script.splitlines():
        assert shell(line)[0] == 0, line
        end_of_backfills(dag_id)

    after = rows_of(target, dag_id)
    assert status == 1
    assert script.count("airflow backfill create ") == STRETCHES[report]
    assert Counter(journal.asked(report)) == Counter(map(asked_for, missing))
    assert set(after) >= {period.start for period in periods}
    assert {start: after[start] for start in before} == before
    assert shell(look)[0] == 0
