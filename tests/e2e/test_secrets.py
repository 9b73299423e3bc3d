"""Searches everything an Airflow at DEBUG wrote, by files and by database rows."""

from __future__ import annotations

import html
import json
from contextlib import closing
from urllib.parse import quote_plus

import psycopg2
import pytest
from psycopg2 import sql

from airflow_wechat.sandbox.roads import ROADS
from canaries import Canaries, written
from proof.figures import figure

DAG_ID = "wechat_compare_periods"


@pytest.fixture
def ran(airflow, settle, late_sandbox):
    """At least one run that fetched; after the other tests many more."""
    settle(DAG_ID)
    assert not airflow.api.test_connection(late_sandbox.connection | {"host": "http://127.0.0.1:9"})["status"]
    return airflow


SECRET_NAMES = ("token", "secret", "key")


def secrets_of(sandbox):
    """Every secret and token that was sent, or that a road's connection holds."""
    calls = sandbox.requests
    sent = [pair for call in calls for pair in (*call.query.items(), *(call.body or {}).items())]
    held = [pair for road in ROADS for pair in extra_of(sandbox, road).items()]
    return {
        line
        for name, text in (*sent, *held)
        if name.endswith(SECRET_NAMES)
        for line in str(text).splitlines()
        if len(line) > 20 and "PRIVATE KEY" not in line
    }


def extra_of(sandbox, road):
    return json.loads(sandbox.connection_of(sandbox.app, road).get("extra", "{}"))


def places_with(airflow, texts):
    return {place for place, content in places(airflow) if any(text in content for text in texts)}


def places(airflow):
    """Give all that Airflow has written: each file, and each table of its metadata database."""
    yield from _files(airflow)
    yield from _tables(airflow)


def _files(airflow):
    for file in airflow.home.rglob("*"):
        if file.is_file() and airflow.postgres.folder not in file.parents:
            yield str(file.relative_to(airflow.home)), file.read_bytes().decode("latin-1")


def _tables(airflow):
    with closing(psycopg2.connect(airflow.postgres.uri("airflow"))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table)))
            yield f"table {table}", "\n".join(row for (row,) in cursor.fetchall())


@pytest.mark.quick_proof
def test_no_secret_and_no_token_is_written_anywhere(ran, sandbox, late_sandbox, canaries):
    secrets = secrets_of(sandbox) | {*canaries.planted}
    assert {sandbox.app.secret, late_sandbox.app.secret} <= secrets
    assert {call.query.get("access_token") for call in sandbox.requests} - {None} <= secrets

    searched = {form for text in secrets for form in written(text)}

    with figure("secrets", "each file and each table of a real Airflow at DEBUG") as counted:
        for place, content in places(ran):
            with counted.trial(place):
                assert not any(form in content for form in searched)


@pytest.mark.parametrize("write", [str, quote_plus, html.escape], ids=["raw", "percent-encoded", "in HTML"])
def test_the_search_finds_a_text_that_is_there(airflow, write):
    canary = Canaries()("found")  # not of those that must not be
    airflow.api.unpause("e2e_leak")
    run_id = airflow.api.trigger("e2e_leak", {"text": write(canary)})
    assert airflow.wait_for_run("e2e_leak", run_id)["state"] == "success"

    found = places_with(airflow, written(canary))

    assert found >= {"table xcom", "table rendered_task_instance_fields", "table dag_run"}
    assert any(place.startswith("logs/dag_id=e2e_leak") for place in found)


def test_what_was_searched_is_at_debug_and_names_the_requests(ran):
    run = ran.api.runs(DAG_ID)[0]

    log = ran.api.log(DAG_ID, run["dag_run_id"], "daily")

    assert "urllib3" in log
    assert "/datacube/getweanalysisappiddailyvisittrend" in log
    assert "debug" in (ran.logs / "scheduler.log").read_text().lower()
