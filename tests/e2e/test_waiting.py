"""Waits that end without data, or are carried on by another triggerer, and many at once."""

from __future__ import annotations

from datetime import datetime

import pytest
from psycopg2 import sql

from airflow_wechat.sandbox import App, Sandbox
from airflow_wechat.sandbox.control import clock_from
from canaries import spelled_in
from e2e.airflow_api import all_ended
from e2e.journal import Journal

DAILY = "daily_visit_trend"
# Not so far apart that tokens would end meanwhile.
EARLY = datetime.fromisoformat("2026-01-06T09:00:00+08:00")
LATE = datetime.fromisoformat("2026-01-06T10:15:00+08:00")
INTERVAL = 4
ON_THE_WAY = 1.0  # seconds that a request may take more than the one before
MANY, POLL_INTERVAL = 200, 15


def at_most_once_an_interval(moments):
    """Whether WeChat was not asked more often than once an interval; late is allowed, on a busy machine."""
    return len(moments) <= 1 + (moments[-1] - moments[0] + ON_THE_WAY) / INTERVAL


@pytest.fixture
def journal(late_sandbox):
    return Journal(late_sandbox)


@pytest.fixture
def begin(airflow, late_sandbox, journal):
    """Trigger a DAG before WeChat has published its period, and wait until it has been asked some times."""

    def trigger(dag_id, times):
        late_sandbox.clock = clock_from(EARLY)
        airflow.api.unpause(dag_id)
        run_id = airflow.api.trigger(dag_id)
        airflow.wait(lambda: len(asked(journal)) >= times, f"{dag_id} asks {times} times")
        return run_id

    return trigger


def asked(journal):
    """Return when WeChat was asked, whoever asked: task or trigger."""
    return sorted(moment for moments in journal.moments(DAILY).values() for moment in moments)


@pytest.fixture
def triggerer(airflow):
    """Have the usual triggerer run, and no other, when the test has ended."""
    second = "second triggerer"
    yield second
    if second in airflow.running:
        airflow.kill(second)
    if "triggerer" not in airflow.running:
        airflow.run("triggerer")


def test_what_a_wait_keeps_in_the_database_holds_no_secret(airflow, late_sandbox, begin, canaries):
    run_id = begin("e2e_kept", 2)

    kept = airflow.trigger_states()

    assert [state for state in kept if DAILY in state]
    assert not spelled_in("\n".join(kept), *canaries.planted)
    late_sandbox.clock = clock_from(LATE)
    assert airflow.wait_for_run("e2e_kept", run_id)["state"] == "success"


def test_a_wait_that_is_too_long_fails_for_good_and_says_what_was_waited_for(airflow, target, journal, begin):
    run_id = begin("e2e_given_up", 2)

    assert airflow.wait_for_run("e2e_given_up", run_id)["state"] == "failed"

    task = airflow.api.task("e2e_given_up", run_id, "load")
    log = airflow.api.log("e2e_given_up", run_id, "load", attempt=task["try_number"])
    assert (task["state"], task["try_number"], task["max_tries"]) == ("failed", 1, 3)
    assert "waited 0:00:10 for WeChat to publish daily_visit_trend of 2026-01-05" in log
    assert "61503" in log
    assert 2 <= len(asked(journal)) <= 4  # by the task, after 4 and 8 seconds, and by the task at the end
    assert target.starts("e2e_given_up") == []


def test_a_triggerer_killed_and_started_again_goes_on_asking_no_more_often(
    airflow, target, late_sandbox, journal, begin, triggerer
):
    run_id = begin("e2e_killed", 3)

    airflow.kill("triggerer")
    before = len(asked(journal))
    assert airflow.api.task("e2e_killed", run_id, "load")["state"] == "deferred"
    airflow.run("triggerer")
    airflow.wait(lambda: len(asked(journal)) >= before + 2, "the new triggerer asks twice")
    late_sandbox.clock = clock_from(LATE)

    assert airflow.wait_for_run("e2e_killed", run_id)["state"] == "success"
    assert target.starts("e2e_killed") == ["2026-01-05"]
    assert at_most_once_an_interval(asked(journal)[:-1])  # the last is the task's, which lands


def test_another_triggerer_takes_over_what_a_dead_one_had(
    airflow, target, late_sandbox, journal, begin, triggerer
):
    airflow.run(triggerer, "triggerer", "--skip-serve-logs")
    run_id = begin("e2e_taken_over", 3)

    airflow.kill("triggerer")
    before = len(asked(journal))
    airflow.wait(lambda: len(asked(journal)) >= before + 3, "a triggerer goes on asking")
    late_sandbox.clock = clock_from(LATE)

    assert airflow.wait_for_run("e2e_taken_over", run_id)["state"] == "success"
    assert target.starts("e2e_taken_over") == ["2026-01-05"]
    assert at_most_once_an_interval(asked(journal)[:-1])


@pytest.fixture
def many_apps(airflow):
    """A WeChat of 200 Mini Programs that publishes when its clock says so, each behind a connection."""
    apps = tuple(App(f"wx{number:016x}", f"{number:032x}") for number in range(MANY))
    with Sandbox(publish_hour=10, apps=apps) as sandbox:
        sandbox.clock = clock_from(EARLY)
        for number, app in enumerate(apps):
            airflow.api.add_connection(f"wechat_waiting_{number}", sandbox.connection_of(app))
        yield sandbox


def test_two_hundred_waits_on_one_triggerer_all_land_once(airflow, target, many_apps):
    journal = Journal(many_apps)
    dag_id = "e2e_two_hundred"
    airflow.api.unpause(dag_id)
    run_id = airflow.api.trigger(dag_id)

    def in_state(state):
        return [task for task in airflow.api.tasks(dag_id, run_id) if task["state"] == state]

    airflow.wait(lambda: len(in_state("deferred")) == MANY, f"{MANY} tasks wait", timeout=900)
    assert airflow.api.call("GET", "/pools/default_pool")["running_slots"] == 0
    airflow.wait(
        lambda: all(len(moments) >= 2 for moments in journal.moments(DAILY).values()), "each is asked again"
    )
    many_apps.clock = clock_from(LATE)

    assert airflow.wait_for_run(dag_id, run_id, timeout=900)["state"] == "success"
    query = sql.SQL("SELECT app_id, period_start::text FROM {} ORDER BY 1").format(sql.Identifier(dag_id))
    assert target.select(query) == sorted((app.app_id, "2026-01-05") for app in many_apps.apps)
    moments = journal.moments(DAILY).values()
    assert len(moments) == MANY
    # The task asks at first and at last, in between its trigger, which may be late on a busy machine.
    assert all(len(one) <= 3 + (one[-1] - one[0]) / POLL_INTERVAL for one in moments)
    assert all_ended(airflow.api.runs(dag_id))
