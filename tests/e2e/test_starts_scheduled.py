"""Runs that the scheduler begins, by every kind of schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from e2e.loading import compact, complete_at, states

CATCHING_UP = {
    "report_daily": ["20240227", "20240228", "20240229", "20240301"],
    "report_monthly": ["20251201-20251231", "20260101-20260131", "20260201-20260228"],
    "interval_daily": ["20251230", "20251231", "20260101", "20260102"],
    "interval_weekly": ["20251222-20251228", "20251229-20260104", "20260105-20260111"],
    "interval_monthly": ["20251101-20251130", "20251201-20251231", "20260101-20260131"],
    "interval_daily_utc": ["20240228", "20240229", "20240301"],
    "interval_monthly_utc": ["20251201-20251231", "20260101-20260131"],
    "cron": ["20260227", "20260228", "20260301"],
    "cron_at_night": ["20240228", "20240229"],
    "cron_in_beijing": ["20251231", "20260101"],
    "at_daily": ["20251230", "20251231", "20260101"],
    "at_daily_in_beijing": ["20251230", "20251231", "20260101"],
    "at_weekly": ["20251222-20251228", "20251229-20260104"],
    "at_monthly": ["20251201-20251231", "20260101-20260131", "20260201-20260228"],
    "partition_daily": ["20240228", "20240229", "20240301"],
    "partition_weekly": ["20251222-20251228", "20251229-20260104"],
    "partition_monthly": ["20251201-20251231", "20260101-20260131", "20260201-20260228"],
    "asset_or_time": ["20260105-20260111", "20260112-20260118"],
}

NOW = {
    "interval": lambda now: complete_at("daily", now),
    # At midnight UTC it is 8:00 in Beijing.
    "at_daily": lambda now: compact(now.astimezone(UTC).date() - timedelta(days=1)),
    "at_monthly": lambda now: complete_at("monthly", now),
    "partition": lambda now: complete_at("daily", now),
}


@pytest.fixture(scope="module")
def begun(loading):
    """Let all of them run side by side."""
    names = [f"e2e_catchup_{name}" for name in CATCHING_UP]
    names += [f"e2e_now_{name}" for name in (*NOW, "unfinished_partition")]
    dags = {name: loading(name) for name in names}
    moment = datetime.now(UTC)
    for dag in dags.values():
        dag.begin()
    return dags, moment


@pytest.mark.parametrize("name", CATCHING_UP)
def test_catching_up_asks_for_the_period_of_each_run_once_and_lands_it(begun, name):
    dag = begun[0][f"e2e_catchup_{name}"]
    expected = CATCHING_UP[name]

    runs = dag.ended()

    assert states(runs) == {"success"}
    assert {run["run_type"] for run in runs} == {"scheduled"}
    assert sorted(dag.asked()) == expected
    assert dag.landed() == expected
    assert len(runs) == len(expected)


@pytest.mark.parametrize("name", NOW)
def test_without_catchup_the_newest_run_lands_the_latest_complete_period(begun, name):
    dags, before = begun
    dag = dags[f"e2e_now_{name}"]

    runs = dag.ended()

    allowed = {NOW[name](moment) for moment in (before, datetime.now(UTC))}
    assert states(runs) == {"success"}
    assert {run["run_type"] for run in runs} == {"scheduled"}
    assert set(dag.asked()) <= allowed
    assert len(dag.asked()) == len(runs) >= 1
    assert dag.landed() == sorted(dag.asked())


def test_a_partition_that_is_not_over_is_refused_at_once_and_the_cure_is_named(begun, airflow):
    dag = begun[0]["e2e_now_unfinished_partition"]

    run, *_ = dag.ended()

    task = airflow.api.task(dag.dag_id, run["dag_run_id"], "load")
    log = airflow.api.log(dag.dag_id, run["dag_run_id"], "load")
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "lies in a week that is not over yet in Beijing; the last allowed date is" in log
    assert "a partitioned schedule usually wants run_offset=-1" in log
    assert dag.sandbox.requests == []
    assert not dag.has_table()
