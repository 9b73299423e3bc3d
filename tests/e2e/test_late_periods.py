from __future__ import annotations

from datetime import datetime

import pytest

from airflow_wechat.sandbox.control import clock_from
from e2e.journal import Journal

PERIOD = ("20260105", "20260105")
EARLY = datetime.fromisoformat("2026-01-06T05:00:00+08:00")
LATE = datetime.fromisoformat("2026-01-06T12:00:00+08:00")


@pytest.fixture
def begin(airflow, late_sandbox):
    """Trigger a DAG before WeChat has published its period, and wait until its task waits."""

    def trigger(dag_id, waiting):
        late_sandbox.clock = clock_from(EARLY)
        airflow.api.unpause(dag_id)
        run_id = airflow.api.trigger(dag_id)
        airflow.wait(
            lambda: airflow.api.task(dag_id, run_id, "load")["state"] == waiting, f"{dag_id} is {waiting}"
        )
        return run_id

    return trigger


def test_a_deferred_task_leaves_the_worker_and_lands_once_wechat_has_published(
    airflow, target, late_sandbox, begin
):
    journal = Journal(late_sandbox)
    run_id = begin("e2e_deferred", "deferred")
    asked_by_task = len(journal.asked("daily_visit_trend"))

    airflow.wait(
        lambda: len(journal.asked("daily_visit_trend")) >= asked_by_task + 2, "the trigger asks twice"
    )
    pool = airflow.api.call("GET", "/pools/default_pool")
    assert (pool["running_slots"], pool["deferred_slots"]) == (0, 1)
    assert target.starts("e2e_deferred") == []
    late_sandbox.clock = clock_from(LATE)

    assert airflow.wait_for_run("e2e_deferred", run_id)["state"] == "success"
    assert target.starts("e2e_deferred") == ["2026-01-05"]
    assert set(journal.asked("daily_visit_trend")) == {PERIOD}
    assert airflow.api.task("e2e_deferred", run_id, "load")["try_number"] == 1


def test_a_task_that_does_not_defer_leaves_the_waiting_to_its_retries(airflow, target, late_sandbox, begin):
    run_id = begin("e2e_retried", "up_for_retry")
    assert target.starts("e2e_retried") == []
    late_sandbox.clock = clock_from(LATE)

    assert airflow.wait_for_run("e2e_retried", run_id)["state"] == "success"
    assert target.starts("e2e_retried") == ["2026-01-05"]
    assert airflow.api.task("e2e_retried", run_id, "load")["try_number"] > 1
    assert "61503" in airflow.api.log("e2e_retried", run_id, "load", attempt=1)
