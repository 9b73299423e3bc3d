from __future__ import annotations

import pytest

FIRST_AND_LAST_WEEK = {
    "e2e_from_mid_week": ("2026-01-05", "2026-01-12"),
    "e2e_from_utc_monday": ("2026-01-05", "2026-01-12"),
    "e2e_from_beijing_monday": ("2025-12-29", "2026-01-12"),
}
WEEKS = ("2025-12-29", "2026-01-05", "2026-01-12")


@pytest.mark.parametrize("dag_id", FIRST_AND_LAST_WEEK)
def test_catching_up_begins_with_the_first_whole_week_and_every_run_lands(airflow, target, settle, dag_id):
    first, last = FIRST_AND_LAST_WEEK[dag_id]
    expected = [week for week in WEEKS if first <= week <= last]

    settle(dag_id, len(expected))

    runs = airflow.api.runs(dag_id)
    assert [run["state"] for run in runs] == ["success"] * len(expected)
    assert all(airflow.api.tasks(dag_id, run["dag_run_id"]) for run in runs)
    assert target.starts(dag_id) == expected
