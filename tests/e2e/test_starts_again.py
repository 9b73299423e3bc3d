"""Tasks that run a second time, long after the moment their run stands for."""

from __future__ import annotations

import pytest

RUNS = {
    # 01:00 on 6 January in Beijing.
    "run_after": ("daily", {"run_after": "2026-01-05T17:00:00Z"}, "20260105"),
    "interval": ("weekly", {"logical_date": "2026-01-05T00:00:00Z"}, "20251229-20260104"),
    "key": ("monthly", {"partition_key": "2024-02"}, "20240201-20240229"),
}

PATH = "/datacube/getweanalysisappid{}visittrend"
QUOTA_USED_UP = {"errcode": 45009, "errmsg": "reach max api daily quota limit rid: 0"}


@pytest.fixture(scope="module")
def begun(loading):
    """Trigger a run of each; of those to be retried, WeChat refuses the first request."""
    run_ids = {}
    for way in ("cleared", "retried"):
        for name, (granularity, options, _) in RUNS.items():
            dag = loading(f"e2e_{way}_{name}")
            if way == "retried":
                dag.sandbox.answer_next(PATH.format(granularity), QUOTA_USED_UP)
            dag.begin()
            run_ids[dag.dag_id] = dag.airflow.api.trigger(dag.dag_id, **options)
    return run_ids


@pytest.fixture
def run(begun, loading):
    """Wait until the DAG's run has ended, and give both."""

    def ended(dag_id):
        (run,) = loading(dag_id).ended()
        return loading(dag_id), run

    return ended


@pytest.mark.parametrize("name", RUNS)
def test_a_cleared_task_asks_for_the_same_period_again_and_replaces_its_row(run, airflow, name):
    dag, first = run(f"e2e_cleared_{name}")
    *_, period = RUNS[name]
    before = dag.fetched_at()

    airflow.api.clear(dag.dag_id, first["dag_run_id"], "load")

    assert airflow.wait_for_run(dag.dag_id, first["dag_run_id"], timeout=400)["state"] == "success"
    assert dag.asked() == [period, period]
    assert dag.landed() == [period]
    assert list(before.values()) < list(dag.fetched_at().values())


@pytest.mark.parametrize("name", RUNS)
def test_a_retried_task_asks_for_the_same_period_again_and_lands_it_once(run, airflow, name):
    dag, ended = run(f"e2e_retried_{name}")
    *_, period = RUNS[name]

    assert ended["state"] == "success"
    assert airflow.api.task(dag.dag_id, ended["dag_run_id"], "load")["try_number"] == 2
    assert "45009" in airflow.api.log(dag.dag_id, ended["dag_run_id"], "load", attempt=1)
    assert dag.asked() == [period, period]
    assert dag.landed() == [period]
