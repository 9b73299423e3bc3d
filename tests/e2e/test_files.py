"""Reports in files on an S3 server, under a real scheduler and triggerer."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from psycopg2 import sql

from airflow_wechat.client.reports import get_report
from airflow_wechat.sandbox.control import clock_from
from s3_server import SECRET, Bucket, connection_to, running_s3

DAILY = get_report("daily_visit_trend")
DAYS = ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"]
EARLY = datetime.fromisoformat("2026-01-06T05:00:00+08:00")
LATE = datetime.fromisoformat("2026-01-06T12:00:00+08:00")


@pytest.fixture(scope="module")
def bucket(airflow):
    with running_s3() as url:
        airflow.api.add_connection("e2e_s3", connection_to(url))
        airflow.wait_for_dags("e2e_files", "e2e_files_waited_for", "e2e_files_nowhere")
        yield Bucket(url, "e2e-lake")


@pytest.fixture
def trigger(airflow, bucket):
    def begin(dag_id):
        airflow.api.unpause(dag_id)
        return airflow.api.trigger(dag_id)

    return begin


def objects_of(bucket, dag_id):
    """What a DAG has written, by period and file."""
    folder = f"{dag_id}/{DAILY.name}/"
    return {
        name.partition("period_start=")[2]: content
        for name, content in bucket.contents().items()
        if name.startswith(folder)
    }


def table_rows(target):
    names = [column.name for column in DAILY.columns if column.name != "fetched_at"]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    found = target.select(sql.SQL("SELECT {} FROM e2e_files ORDER BY period_start").format(columns))
    return [json.loads(json.dumps(dict(zip(names, row, strict=True)), default=str)) for row in found]


def test_each_format_lands_what_the_table_holds_and_no_secret_is_logged(airflow, bucket, target, trigger):
    run_id = trigger("e2e_files")

    assert airflow.wait_for_run("e2e_files", run_id)["state"] == "success"
    objects = objects_of(bucket, "e2e_files")
    assert set(objects) == {f"{day}/data.{kind}" for day in DAYS for kind in ("jsonl", "csv", "parquet")}
    rows = [json.loads(objects[f"{day}/data.jsonl"]) for day in DAYS]
    assert all(row.pop("fetched_at") for row in rows)
    assert rows == table_rows(target)
    logs = [airflow.api.log("e2e_files", run_id, "files", map_index=index) for index in range(3)]
    assert all("botocore" in log and SECRET not in log for log in logs)


def test_a_period_that_is_waited_for_lands_from_the_triggerer_on(airflow, bucket, late_sandbox, trigger):
    late_sandbox.clock = clock_from(EARLY)
    run_id = trigger("e2e_files_waited_for")
    airflow.wait(
        lambda: airflow.api.task("e2e_files_waited_for", run_id, "load")["state"] == "deferred", "it waits"
    )
    assert objects_of(bucket, "e2e_files_waited_for") == {}

    late_sandbox.clock = clock_from(LATE)

    assert airflow.wait_for_run("e2e_files_waited_for", run_id)["state"] == "success"
    assert list(objects_of(bucket, "e2e_files_waited_for")) == ["2026-01-05/data.jsonl"]


def test_a_bucket_that_is_not_there_ends_the_task_at_once(airflow, trigger):
    run_id = trigger("e2e_files_nowhere")

    airflow.wait_for_run("e2e_files_nowhere", run_id)
    task = airflow.api.task("e2e_files_nowhere", run_id, "load")
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "'e2e-no-such-bucket/lake' cannot be written" in airflow.api.log(
        "e2e_files_nowhere", run_id, "load"
    )
