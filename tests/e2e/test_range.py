from __future__ import annotations

import pytest
from wechat_names import TABLES

from e2e.airflow_api import AirflowApiError

DAG_ID = "wechat_load_range"


@pytest.fixture
def load(airflow):
    """Load a range as the trigger form does, and return the run."""

    def trigger(**conf):
        airflow.api.unpause(DAG_ID)
        return airflow.wait_for_run(DAG_ID, airflow.api.trigger(DAG_ID, conf))

    return trigger


def test_one_run_loads_the_whole_range_with_one_token(airflow, target, open_journal, load):
    journal = open_journal()

    run = load(report="monthly_visit_trend", begin_date="2024-11-20", end_date="2025-02-01")

    months = ["2024-11-01", "2024-12-01", "2025-01-01", "2025-02-01"]
    assert run["state"] == "success"
    assert sorted(journal.asked("monthly_visit_trend")) == [
        ("20241101", "20241130"),
        ("20241201", "20241231"),
        ("20250101", "20250131"),
        ("20250201", "20250228"),
    ]
    assert journal.tokens() == 1
    assert set(target.starts(TABLES["monthly_visit_trend"])) >= set(months)
    assert airflow.api.xcom(DAG_ID, run["dag_run_id"], "load") | {"app_id": None} == {
        "report": "monthly_visit_trend",
        "app_id": None,
        "target": "wechat_target:wechat_monthly_visit_trend",
        "periods": 4,
        "rows": 4,
        "first_period": months[0],
        "last_period": months[-1],
    }


def test_a_range_that_is_not_over_ends_the_task_at_once_and_names_the_last_allowed_date(
    airflow, open_journal, load
):
    journal = open_journal()

    run = load(begin_date="2026-01-01", end_date="2099-01-31")

    task = airflow.api.task(DAG_ID, run["dag_run_id"], "load")
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "the last allowed date is" in airflow.api.log(DAG_ID, run["dag_run_id"], "load")
    assert (journal.tokens(), journal.asked("daily_visit_trend")) == (0, [])


def test_the_form_refuses_a_report_that_is_not_known(airflow, load):
    with pytest.raises(AirflowApiError, match="HTTP 400"):
        load(report="yearly_visit_trend")
