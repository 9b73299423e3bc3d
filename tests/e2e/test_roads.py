"""Every road into WeChat under a real scheduler."""

from __future__ import annotations

import json

import pytest
from psycopg2 import sql

from airflow_wechat.sandbox.roads import ROADS

DAG_ID = "e2e_roads"
REFRESH_TOKEN = "authorizer_refresh_token"


@pytest.fixture(scope="module")
def connected(airflow, sandbox):
    """A connection for each road."""
    for road in ROADS:
        airflow.api.add_connection(f"wechat_road_{road}", sandbox.connection_of(sandbox.app, road))
    airflow.wait_for_dags(DAG_ID)
    airflow.api.unpause(DAG_ID)
    return airflow


@pytest.fixture
def run(connected):
    """Run the DAG once, and give the states of its tasks by their road."""

    def once():
        run_id = connected.api.trigger(DAG_ID)
        connected.wait_for_run(DAG_ID, run_id, timeout=240)
        return {
            task["rendered_map_index"].removeprefix("wechat_road_"): task["state"]
            for task in connected.api.tasks(DAG_ID, run_id)
        }

    return once


def kept_for(sandbox):
    """The Variable for a changed refresh token."""
    return f"wechat_{REFRESH_TOKEN}_{sandbox.component.app_id}_{sandbox.app.app_id}"


def rows(target, road):
    table = sql.Identifier(f"e2e_road_{road}")
    columns = sql.SQL("app_id, period_start, visit_pv, visit_uv, stay_time_uv, visit_depth")
    return target.select(sql.SQL("SELECT {} FROM {} ORDER BY 2").format(columns, table))


def test_every_road_lands_the_same_rows(run, target):
    states = run()

    assert states == dict.fromkeys(ROADS, "success")
    landed = {road: rows(target, road) for road in ROADS}
    assert len(landed["stable"]) == 3
    assert landed == dict.fromkeys(ROADS, landed["stable"])


def test_a_changed_refresh_token_is_kept_encrypted_and_used_by_the_next_run(connected, run, sandbox):
    given = json.loads(sandbox.connection_of(sandbox.app, "authorizer")["extra"])[REFRESH_TOKEN]
    sandbox.component.change_refresh_token(sandbox.app.app_id)
    first = run()

    second = run()

    changed = sandbox.component.refresh_token(sandbox.app.app_id)
    used = [
        request.body[REFRESH_TOKEN] for request in sandbox.requests if REFRESH_TOKEN in (request.body or {})
    ]
    assert (first["authorizer"], second["authorizer"]) == ("success", "success")
    assert changed != given
    assert changed in used
    kept = connected.api.call("GET", f"/variables/{kept_for(sandbox)}")
    assert changed not in str(kept)
