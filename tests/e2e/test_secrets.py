"""Searches everything an Airflow at DEBUG wrote, by files and by database rows."""

from __future__ import annotations

import base64
import html
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, quote_plus

import psycopg2
import pytest

from airflow_wechat.client.reports import get_report
from airflow_wechat.sandbox.control import clock_from
from canaries import Canaries, written
from e2e.lineage import FILE, told_of
from e2e.live_airflow import LiveAirflow
from e2e.searched import forms_of, places, secrets_of
from proof.figures import figure, trial

PART = "secrets"
FETCHES, LOADS = "wechat_compare_periods", "e2e_searched"
DAILY = get_report("daily_visit_trend").path
# Not so far apart that tokens would end meanwhile.
EARLY = datetime.fromisoformat("2026-01-06T09:00:00+08:00")
LATE = datetime.fromisoformat("2026-01-06T10:15:00+08:00")

pytestmark = pytest.mark.quick_proof


@dataclass(frozen=True)
class Ran:
    """An Airflow in which a load has failed in WeChat, and one has waited and landed.

    :param failed: the log of the one that failed
    :param waited: the log of the one that waited
    :param kept: what the database kept of its trigger while it waited
    """

    airflow: LiveAirflow
    failed: str
    waited: str
    kept: str


@pytest.fixture(scope="module")
def ran(airflow, late_sandbox):
    """At least these runs; after the other tests many more."""
    for dag_id in (FETCHES, LOADS):
        airflow.api.unpause(dag_id)
    late_sandbox.clock = clock_from(EARLY)
    failed = fail(airflow, late_sandbox)
    waited, kept = wait_and_land(airflow, late_sandbox)
    airflow.wait_for_runs(FETCHES, 1)
    told(airflow, f"{LOADS}.load", failed, "FAIL")
    told(airflow, f"{LOADS}.load", waited, "COMPLETE")
    assert not airflow.api.test_connection(late_sandbox.connection | {"host": "http://127.0.0.1:9"})["status"]
    yield Ran(airflow, log_of(failed), log_of(waited), kept)
    for dag_id in (FETCHES, LOADS):
        airflow.api.pause(dag_id)


def fail(airflow, sandbox):
    """Let WeChat refuse a load, in words that repeat its token."""
    token = sandbox.stable_token(sandbox.app)
    words = f"no {token} {quote(token, safe='')} {base64.b64encode(token.encode()).decode()} rid: 1-2-3"
    sandbox.answer_next(DAILY, {"errcode": 48001, "errmsg": words})
    run_id = airflow.api.trigger(LOADS)
    assert airflow.wait_for_run(LOADS, run_id)["state"] == "failed"
    return run_id


def wait_and_land(airflow, sandbox):
    run_id = airflow.api.trigger(LOADS)
    airflow.wait(lambda: airflow.api.task(LOADS, run_id, "load")["state"] == "deferred", "the load waits")
    kept = "\n".join(airflow.trigger_states())
    sandbox.clock = clock_from(LATE)
    assert airflow.wait_for_run(LOADS, run_id)["state"] == "success"
    return run_id, kept


def told(airflow, job, run_id, event_type):
    """Wait until OpenLineage has been told of a task."""
    airflow.wait(lambda: told_of(airflow, job, run_id, event_type), f"OpenLineage is told of {job}")


def log_of(run_id):
    return f"logs/dag_id={LOADS}/run_id={run_id}/task_id=load/attempt=1.log"


def test_no_secret_and_no_token_is_written_anywhere(ran, sandbox, late_sandbox, canaries):
    secrets = secrets_of(sandbox) | secrets_of(late_sandbox) | {*canaries.planted}
    assert {sandbox.app.secret, late_sandbox.app.secret} <= secrets
    calls = [*sandbox.requests, *late_sandbox.requests]
    assert {call.query.get("access_token") for call in calls} - {None} <= secrets

    searched, forms = set(), forms_of(secrets)

    with figure(PART, "each file and each table of a real Airflow at DEBUG") as counted:
        for place, content in (*places(ran.airflow), ("what triggers keep", ran.kept)):
            searched.add(place)
            with counted.trial(place):
                assert not any(form in content for form in forms)
    assert "daily_visit_trend" in ran.kept
    assert {ran.failed, ran.waited, "components/triggerer.log", FILE} <= searched
    assert any(place.startswith(f"{ran.waited}.trigger.") for place in searched)
    assert {"table airflow.trigger", "table airflow.xcom", f"table target.{LOADS}"} <= searched


WRITTEN = {
    "raw": str,
    "percent-encoded": quote_plus,
    "in HTML": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=list(WRITTEN))
def test_the_search_finds_a_text_that_is_there(airflow, target, write):
    canary = Canaries()("found")  # not of those that must not be
    text = write(canary)
    airflow.api.unpause("e2e_leak")
    run_id = airflow.api.trigger("e2e_leak", {"text": text})
    assert airflow.wait_for_run("e2e_leak", run_id)["state"] == "success"
    told(airflow, "e2e_leak.leak", run_id, "COMPLETE")
    run_sql(target, "CREATE TABLE IF NOT EXISTS e2e_leak (text text)")
    run_sql(target, "INSERT INTO e2e_leak VALUES (%s)", text)

    with trial(
        PART, "negative control: the search of a real Airflow finds a text that is there, in each form"
    ):
        forms = written(canary)
        found = {place for place, content in places(airflow) if any(form in content for form in forms)}

        tables = ("xcom", "rendered_task_instance_fields", "dag_run")
        assert found >= {*(f"table airflow.{table}" for table in tables), "table target.e2e_leak"}
        assert any(place.startswith("logs/dag_id=e2e_leak") for place in found)
        assert FILE in found


def run_sql(target, statement, *values):
    with closing(psycopg2.connect(target.server.uri("target"))) as connection, connection:
        connection.cursor().execute(statement, values)


def test_what_was_searched_is_at_debug_and_names_the_requests(ran):
    run = ran.airflow.api.runs(FETCHES)[0]
    logs = [
        ran.airflow.api.log(FETCHES, run["dag_run_id"], "daily"),
        *((ran.airflow.home / log).read_text() for log in (ran.failed, ran.waited)),
    ]

    for log in logs:
        assert "urllib3" in log
        assert "/datacube/getweanalysisappiddailyvisittrend" in log
    assert "48001" in logs[1]
    assert "debug" in (ran.airflow.logs / "scheduler.log").read_text().lower()
