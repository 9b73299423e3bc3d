"""Many Mini Programs in one DAG, each a mapped task with a connection of its own."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from operator import itemgetter

import pytest
from psycopg2 import sql
from wechat_names import TABLES, WECHAT_CONN_IDS, WECHAT_POOL

from airflow_wechat.client.periods import Granularity, latest_complete
from airflow_wechat.sandbox import App, Sandbox
from e2e.airflow_api import AirflowApiError, all_ended
from e2e.journal import Journal, asked_for

DAG_ID = "wechat_many_apps"
TABLE = TABLES["daily_visit_trend"]
FIRST, SECOND, THIRD = WECHAT_CONN_IDS

TROUBLES = {
    "no AppSecret": ({"password": ""}, "the connection has no AppSecret (password)"),
    "no AppID": ({"login": ""}, "the connection has no AppID (login)"),
    "wrong AppSecret": ({"password": "wrong"}, "errcode 40125"),
}


@pytest.fixture(scope="module")
def dag(airflow, first_runs):
    """The DAG's pool, and the DAG, which is paused at the end; without its second and third connection."""
    put_pool(airflow, "POST", slots=4)
    airflow.wait_for_dags(DAG_ID)
    yield DAG_ID
    airflow.api.pause(DAG_ID)
    for run in airflow.api.runs(DAG_ID):
        if not all_ended([run]):
            airflow.api.call("PATCH", f"/dags/{DAG_ID}/dagRuns/{run['dag_run_id']}", json={"state": "failed"})


@pytest.fixture(scope="module")
def scheduled(airflow, dag):
    """The run that unpausing begins, with nothing wrong; gives it and the AppIDs behind the connections."""
    with new_wechat() as wechat:
        connect(airflow, wechat)
        airflow.api.unpause(dag)
        [run] = airflow.wait_for_runs(dag, 1)
        yield run, app_ids(wechat)


@pytest.fixture
def wechat(airflow, scheduled):
    """A WeChat with two Mini Programs of the test's own behind the second and the third connection."""
    with new_wechat() as running:
        connect(airflow, running)
        yield running


def new_wechat():
    apps = tuple(App(f"wx{secrets.token_hex(8)}", secrets.token_hex(16)) for _ in range(2))
    return Sandbox(publish_hour=0, apps=apps)


def put_pool(airflow, method, slots):
    pool = {"name": WECHAT_POOL, "slots": slots, "include_deferred": False}
    airflow.api.call(method, "/pools" if method == "POST" else f"/pools/{WECHAT_POOL}", json=pool)


def app_ids(wechat):
    return [app.app_id for app in wechat.apps]


def connect(airflow, wechat, **third_changes):
    second, third = map(wechat.connection_of, wechat.apps)
    for conn_id, connection in ((SECOND, second), (THIRD, third | third_changes)):
        disconnect(airflow, conn_id)
        airflow.api.add_connection(conn_id, connection)


def disconnect(airflow, conn_id):
    with suppress(AirflowApiError):  # it is not there
        airflow.api.call("DELETE", f"/connections/{conn_id}")


def tasks_of(airflow, run_id):
    return {task["rendered_map_index"]: task for task in airflow.api.tasks(DAG_ID, run_id)}


def by_index(airflow, run_id):
    return sorted(airflow.api.tasks(DAG_ID, run_id), key=itemgetter("map_index"))


def states_of(airflow, run_id):
    return {name: task["state"] for name, task in tasks_of(airflow, run_id).items()}


def log_of(airflow, run_id, task):
    return airflow.api.log(DAG_ID, run_id, "load", map_index=task["map_index"])


def landed(target, ids):
    query = sql.SQL("SELECT app_id, period_start::text FROM {} WHERE app_id IN {} ORDER BY 1")
    return target.select(query.format(sql.Identifier(TABLE), sql.Literal(tuple(ids))))


def period_of(run):
    return latest_complete(Granularity.DAILY, datetime.fromisoformat(run["run_after"]))


def test_each_app_lands_in_the_one_table(airflow, target, sandbox, scheduled):
    run, ids = scheduled

    assert states_of(airflow, run["dag_run_id"]) == dict.fromkeys(WECHAT_CONN_IDS, "success")
    assert landed(target, ids) == [(app_id, str(period_of(run).start)) for app_id in sorted(ids)]
    assert (sandbox.app.app_id, str(period_of(run).start)) in landed(target, [sandbox.app.app_id])


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_app_that_fails_says_why_at_once_and_lands_nothing_and_the_others_land(
    airflow, target, wechat, trouble
):
    changes, words = TROUBLES[trouble]
    connect(airflow, wechat, **changes)
    journal = Journal(wechat)

    run = airflow.wait_for_run(DAG_ID, run_id := airflow.api.trigger(DAG_ID))

    failed = tasks_of(airflow, run_id)[THIRD]
    assert run["state"] == "failed"
    assert states_of(airflow, run_id) == {FIRST: "success", SECOND: "success", THIRD: "failed"}
    assert failed["try_number"] == 1
    assert words in log_of(airflow, run_id, failed)
    assert journal.asked("daily_visit_trend") == [asked_for(period_of(run))]
    assert landed(target, app_ids(wechat)) == [(wechat.app.app_id, str(period_of(run).start))]


def test_a_connection_that_does_not_exist_is_named_and_the_others_land(airflow, target, wechat):
    disconnect(airflow, THIRD)

    run_id = airflow.api.trigger(DAG_ID)
    # Airflow takes a connection that it cannot find for one that may yet be found.
    tried = ["success", "success", "up_for_retry"]
    airflow.wait(lambda: [task["state"] for task in by_index(airflow, run_id)] == tried, "all are tried")

    log = log_of(airflow, run_id, by_index(airflow, run_id)[2])
    assert f"The conn_id `{THIRD}` isn't defined" in log
    assert [app_id for app_id, _ in landed(target, app_ids(wechat))] == [wechat.app.app_id]


def test_the_pool_decides_how_many_apps_are_loaded_at_once(airflow, wechat):
    put_pool(airflow, "PATCH", slots=1)

    run_id = airflow.api.trigger(DAG_ID)
    airflow.wait_for_run(DAG_ID, run_id)

    tasks = sorted(by_index(airflow, run_id), key=itemgetter("start_date"))
    assert len(tasks) == len(WECHAT_CONN_IDS)
    assert all(before["end_date"] <= after["start_date"] for before, after in pairwise(tasks))
