"""Backfills, by command and by REST, of every kind of schedule that has them."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

import pytest

from e2e.loading import states

BY_COMMAND = {
    "year_turn": ("2025-12-29 2026-01-02", ["20251229", "20251230", "20251231", "20260101", "20260102"]),
    "partition_daily": ("2024-02-28 2024-03-01", ["20240228", "20240229", "20240301"]),
    "monthly": (
        "2024-01-31 2024-03-01",
        ["20240101-20240131", "20240201-20240229", "20240301-20240331"],
    ),
}
"""Plain dates, both included."""

BY_COMMAND_BACKWARDS = {
    "leap_day_backwards": ("2024-02-27 2024-03-01", ["20240301", "20240229", "20240228", "20240227"]),
}

BY_REST = {
    "month_end": ("2026-01-30", "2026-02-02", ["20260130", "20260131", "20260201", "20260202"]),
    "weekly_year_turn": (
        "2025-12-31",
        "2026-01-14",
        ["20251229-20260104", "20260105-20260111", "20260112-20260118"],
    ),
    "asset_or_time": ("2026-01-08", "2026-01-13", ["20260105-20260111", "20260112-20260118"]),
    "partition_weekly": ("2025-12-31", "2026-01-14", ["20260105-20260111", "20260112-20260118"]),
    "partition_monthly": ("2025-12-15", "2026-02-10", ["20260101-20260131", "20260201-20260228"]),
    # By cron the dates are the moments of runs, each of which loads what was complete then.
    "at_daily": ("2024-02-28", "2024-03-02", ["20240227", "20240228", "20240229", "20240301"]),
    "at_daily_in_beijing": ("2024-02-28", "2024-03-02", ["20240228", "20240229", "20240301"]),
    "at_weekly": ("2026-01-01", "2026-01-12", ["20251222-20251228", "20251229-20260104"]),
    "at_monthly": ("2026-01-15", "2026-03-10", ["20260101-20260131", "20260201-20260228"]),
    "interval_utc": ("2025-12-31", "2026-01-01", ["20251231", "20260101"]),
    "interval": (
        "2025-12-31T00:00:00+08:00",
        "2026-01-02T00:00:00+08:00",
        ["20251231", "20260101", "20260102"],
    ),
}

BY_REST_BACKWARDS = {
    "weekly_backwards": ("2026-02-25", "2026-03-04", ["20260302-20260308", "20260223-20260301"]),
    "monthly_backwards": ("2025-12-31", "2026-01-01", ["20260101-20260131", "20251201-20251231"]),
}

AGAIN = {
    "again": ("2026-02-28", "2026-03-01", ["20260228", "20260301"]),
    "again_weekly": ("2026-02-25", "2026-03-02", ["20260223-20260301", "20260302-20260308"]),
    "again_partition": ("2026-02-28", "2026-03-01", ["20260228", "20260301"]),
}

NOT_AGAIN = ("2026-02-28", "2026-03-01", ["20260228", "20260301"])

JANUARY = [f"202601{day:02}" for day in range(1, 11)]


@pytest.fixture(scope="module")
def begun(airflow, loading):
    """Begin all of them, to run side by side."""
    for name, (first, last, _) in (AGAIN | {"not_again": NOT_AGAIN}).items():
        begin(loading, name, first, last)
    beside = loading("e2e_backfill_beside")
    beside.begin()
    # With as many runs as it may have, the schedule makes no other: were it to make one that the backfill is
    # just making, Airflow's scheduler would end (apache/airflow#59120).
    with beside.sandbox.holding(2):
        airflow.api.create_backfill(
            beside.dag_id, date(2026, 1, 1), date(2026, 1, 10), reprocess_behavior="completed"
        )
    for name, (first, last, _) in BY_REST_BACKWARDS.items():
        begin(loading, name, first, last, run_backwards=True, max_active_runs=1)
    for name, (first, last, _) in BY_REST.items():
        begin(loading, name, first, last)
    for name, (days, _) in BY_COMMAND.items():
        command(loading, name, days)
    for name, (days, _) in BY_COMMAND_BACKWARDS.items():
        command(loading, name, days, "--run-backwards", "--max-active-runs", "1")


def begin(loading, name, first, last, **options):
    dag = loading(f"e2e_backfill_{name}")
    dag.begin()
    first, last = (datetime.fromisoformat(day) for day in (first, last))
    dag.airflow.api.create_backfill(dag.dag_id, first, last, **options)


def command(loading, name, days, *options):
    dag = loading(f"e2e_backfill_{name}")
    dag.begin()
    first, last = days.split()
    dag.airflow.airflow(
        *("backfill", "create", "--dag-id", dag.dag_id, "--from-date", first, "--to-date", last), *options
    )


@pytest.fixture
def backfilled(begun, loading):
    return lambda name: loading(f"e2e_backfill_{name}")


@pytest.fixture(scope="module")
def repeated(begun, airflow, loading):
    """Backfill the same days a second time; return when the rows were fetched at first."""
    dags = {name: loading(f"e2e_backfill_{name}") for name in (*AGAIN, "not_again")}
    wait_for_backfills(airflow, dags.values())
    before = {name: dag.fetched_at() for name, dag in dags.items()}
    begin(loading, "not_again", *NOT_AGAIN[:2], reprocess_behavior="none")
    for name, (first, last, _) in AGAIN.items():
        begin(loading, name, first, last, reprocess_behavior="completed")
    wait_for_backfills(airflow, dags.values())
    return before


def wait_for_backfills(airflow, dags):
    """Wait until Airflow takes another backfill of the DAGs."""
    for dag in dags:
        airflow.wait(
            lambda dag=dag: all(one["completed_at"] for one in airflow.api.backfills(dag.dag_id)),
            f"backfills of {dag.dag_id} end",
            400,
        )


FORWARDS = {name: periods for name, (*_, periods) in (BY_COMMAND | BY_REST).items()}
BACKWARDS = {name: periods for name, (*_, periods) in (BY_COMMAND_BACKWARDS | BY_REST_BACKWARDS).items()}


@pytest.mark.parametrize("name", FORWARDS)
def test_a_backfill_asks_for_each_period_of_its_range_once_and_lands_it(backfilled, name):
    dag, expected = backfilled(name), FORWARDS[name]

    runs = dag.ended()

    assert states(runs) == {"success"}
    assert {run["run_type"] for run in runs} == {"backfill"}
    assert sorted(dag.asked()) == expected
    assert dag.landed() == expected
    assert len(runs) == len(expected)


@pytest.mark.parametrize("name", BACKWARDS)
def test_backwards_a_backfill_begins_with_the_last_period(backfilled, name):
    dag, expected = backfilled(name), BACKWARDS[name]

    runs = dag.ended()

    assert states(runs) == {"success"}
    assert dag.asked() == expected
    assert dag.landed() == expected[::-1]


def test_beside_the_running_schedule_no_period_is_asked_for_more_often_than_its_runs_are_run(
    backfilled, airflow
):
    dag = backfilled("beside")

    runs = dag.ended()

    tries = sum(airflow.api.task(dag.dag_id, run["dag_run_id"], "load")["try_number"] for run in runs)
    assert states(runs) == {"success"}
    assert "backfill" in {run["run_type"] for run in runs}
    assert len(runs) == len(JANUARY)
    assert set(dag.asked()) == set(JANUARY)
    assert len(dag.asked()) == tries
    assert max(Counter(dag.asked()).values()) <= 2
    assert dag.landed() == JANUARY


@pytest.mark.parametrize("name", AGAIN)
def test_a_second_backfill_that_reprocesses_replaces_each_row_by_a_newer_one(repeated, backfilled, name):
    dag, before = backfilled(name), repeated[name]
    *_, expected = AGAIN[name]

    after = dag.fetched_at()

    assert states(dag.ended()) == {"success"}
    assert sorted(dag.asked()) == sorted(expected * 2)
    assert dag.landed() == expected
    assert len(before) == len(expected)
    assert all(after[start] > before[start] for start in before)


def test_a_second_backfill_that_does_not_reprocess_asks_for_nothing(repeated, backfilled, airflow):
    dag = backfilled("not_again")
    *_, expected = NOT_AGAIN

    assert len(airflow.api.backfills(dag.dag_id)) == 2
    assert sorted(dag.asked()) == expected
    assert dag.fetched_at() == repeated["not_again"]
