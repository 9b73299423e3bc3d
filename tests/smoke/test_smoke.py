"""Under a real scheduler and triggerer: each way a run can start, and a deferred task."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_features import tasks_ask_an_api
from airflow_wechat.client.periods import BEIJING
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


def test_a_plain_cron_schedule_loads_the_day_before_each_of_its_runs_takes_place(airflow):
    airflow.wait(lambda: airflow.states("smoke_by_cron") == [("success", "success")] * 3, "days land")

    # Up to 2.11 the run named after the 5th takes place on the 6th; from 3.0 on, on the 5th.
    days = ("04", "05", "06") if tasks_ask_an_api() else ("05", "06", "07")
    assert airflow.landed("smoke_by_cron") == [f"2026-01-{day}" for day in days]


def test_a_run_by_hand_a_cleared_one_and_the_one_that_follows_load_their_days(airflow, other_sandbox):
    def ended(dag_id):
        return airflow.states(dag_id) == [("success", "success")]

    # From 3.0 on the command gives a run the interval of the moment it is triggered in, whatever date it is
    # given, and a run that follows has none; up to 2.11 both have the interval of that date.
    date, days = "--exec-date", {"2026-01-09"}
    if tasks_ask_an_api():
        today = datetime.now(BEIJING).date()
        date, days = "--logical-date", {str(today - timedelta(days=1)), str(today)}
    airflow.wait(lambda: airflow.has_read("smoke_by_hand"), "the DAG is read")
    airflow.airflow(*f"dags trigger smoke_by_hand {date} 2026-01-10T03:00:00+00:00".split())
    airflow.wait(lambda: ended("smoke_by_hand"), "the run by hand ends")
    airflow.wait(lambda: ended("smoke_after_an_asset"), "the run that follows ends")
    [by_hand] = airflow.landed("smoke_by_hand")
    airflow.airflow("tasks", "clear", "--yes", "smoke_by_hand")
    journal, asked = Journal(other_sandbox, begin=0), by_hand.replace("-", "")

    def times():
        return journal.asked("daily_visit_trend").count((asked, asked))

    # Each end of the load starts the one that follows; on 3.x that asks for the same day.
    airflow.wait(lambda: times() >= (3 if tasks_ask_an_api() else 2), "the day is asked for again")
    airflow.wait(lambda: ended("smoke_by_hand"), "the cleared run ends")

    assert by_hand in days
    assert airflow.landed("smoke_by_hand") == [by_hand]
    assert airflow.landed("smoke_after_an_asset")[0] in days


def test_a_task_that_waits_in_the_triggerer_lands_once_wechat_has_published(airflow, late_sandbox):
    journal = Journal(late_sandbox, begin=0)
    airflow.wait(lambda: airflow.states("smoke_deferred") == [("running", "deferred")], "the task waits")
    airflow.wait(lambda: len(journal.asked("daily_visit_trend")) >= 3, "the triggerer asks twice")
    assert airflow.landed("smoke_deferred") == []

    late_sandbox.clock = clock_from(LATE)
    airflow.wait(lambda: airflow.states("smoke_deferred") == [("success", "success")], "the task ends")

    assert set(journal.asked("daily_visit_trend")) == {("20260105", "20260105")}
    assert airflow.landed("smoke_deferred") == ["2026-01-05"]
