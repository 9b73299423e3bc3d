"""Under a real scheduler and triggerer: catching up, a backfill by plain days, a deferred task."""

from __future__ import annotations

from datetime import datetime

from airflow_features import tasks_ask_an_api
from airflow_wechat.sandbox.control import clock_from
from e2e.journal import Journal

LATE = datetime.fromisoformat("2026-01-06T12:00:00+08:00")


def test_the_runs_between_start_and_end_of_a_dag_are_caught_up_with_each_week_once(airflow, sandbox):
    airflow.wait(lambda: airflow.states("smoke_caught_up") == [("success", "success")] * 4, "weeks land")

    assert sorted(Journal(sandbox, begin=0).asked("weekly_visit_trend")) == [
        ("20260105", "20260111"),
        ("20260112", "20260118"),
        ("20260119", "20260125"),
        ("20260126", "20260201"),
    ]
    assert airflow.landed("smoke_caught_up") == ["2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26"]


def test_a_backfill_by_plain_days_covers_both_ends_with_each_day_once(airflow, sandbox):
    airflow.wait(lambda: airflow.has_read("smoke_backfilled"), "the DAG is read")
    create = "backfill create --dag-id smoke_backfilled --from-date 2025-12-30 --to-date 2026-01-02"
    backfill = "dags backfill --start-date 2025-12-30 --end-date 2026-01-02 smoke_backfilled"

    airflow.airflow(*(create if tasks_ask_an_api() else backfill).split())
    airflow.wait(lambda: airflow.states("smoke_backfilled") == [("success", "success")] * 4, "days land")

    days = ("20251230", "20251231", "20260101", "20260102")
    assert sorted(Journal(sandbox, begin=0).asked("daily_visit_trend")) == [(day, day) for day in days]
    assert airflow.landed("smoke_backfilled") == ["2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02"]


def test_a_task_that_waits_in_the_triggerer_lands_once_wechat_has_published(airflow, late_sandbox):
    journal = Journal(late_sandbox, begin=0)
    airflow.wait(lambda: airflow.states("smoke_deferred") == [("running", "deferred")], "the task waits")
    airflow.wait(lambda: len(journal.asked("daily_visit_trend")) >= 3, "the triggerer asks twice")
    assert airflow.landed("smoke_deferred") == []

    late_sandbox.clock = clock_from(LATE)
    airflow.wait(lambda: airflow.states("smoke_deferred") == [("success", "success")], "the task ends")

    assert set(journal.asked("daily_visit_trend")) == {("20260105", "20260105")}
    assert airflow.landed("smoke_deferred") == ["2026-01-05"]
