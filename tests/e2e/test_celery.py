"""The sample DAGs on more than one machine: two Celery workers, with Redis and PostgreSQL."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wechat_names import TABLES

from airflow_wechat.client.periods import READY_AFTER, Period, PeriodRange, beijing_day, latest_complete
from airflow_wechat.client.reports import get_report
from e2e.celery_site import SLOTS, WORKERS, Periods, celery_site
from e2e.holding_sandbox import HoldingSandbox
from e2e.journal import Journal, asked_for
from e2e.processes import end_on_sigterm
from needed_servers import need
from redis_server import RedisServer, redis_binary

DAGS = Path(__file__).parents[2] / "dags"

COUNTS = {"daily_visit_trend": 90, "weekly_visit_trend": 12, "monthly_visit_trend": 6}
"""How many periods of each report one load brings."""


@dataclass(frozen=True)
class Load:
    """A load that has ended; ``lost`` holds the periods whose task died with its worker."""

    periods: Periods
    journal: Journal
    lost: dict[str, list[Period]]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    need(redis_binary(), "redis-server")
    end_on_sigterm()
    folder = tmp_path_factory.mktemp("celery")
    with (
        RedisServer(folder / "redis") as redis,
        HoldingSandbox(publish_hour=0) as sandbox,
        celery_site(folder / "airflow", DAGS, sandbox, redis.uri) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def clean(site):
    """The newest periods, which hold those of the scheduled runs that unpausing begins."""
    due = datetime.now(UTC) - READY_AFTER  # the runs of later ones are not made yet
    periods = {
        report: _periods_up_to(latest_complete(get_report(report).granularity, due)) for report in COUNTS
    }
    journal = Journal(site.sandbox)
    site.load(periods)
    site.wait_for_runs(sum(COUNTS.values()))
    return Load(periods, journal, lost={})


@pytest.fixture(scope="module")
def killed(site, clean):
    """The periods before those, while a worker dies half-way, each of its tasks waiting for WeChat's answer.

    It is not started again: the other worker does the rest.
    """
    periods = {report: _periods_up_to(due[0].earlier(1)) for report, due in clean.periods.items()}
    journal = Journal(site.sandbox)
    site.load(periods)
    site.airflow.wait(lambda: _asked_in_all(journal) >= sum(COUNTS.values()) // 3, "a third is asked", 300)
    with site.sandbox.holding(SLOTS * len(WORKERS)):
        lost = _periods_of(site, site.running_on("two"))
        site.airflow.kill("worker-two")
    site.wait_for_runs(2 * sum(COUNTS.values()))
    return Load(periods, journal, lost)


def _periods_up_to(last: Period) -> list[Period]:
    count = {get_report(report).granularity: count for report, count in COUNTS.items()}[last.granularity]
    return list(PeriodRange(last.earlier(count - 1), last))


def _asked_in_all(journal: Journal) -> int:
    return sum(len(journal.asked(report)) for report in COUNTS)


def _periods_of(site, tasks):
    runs = {report: [run_id for dag_id, run_id in tasks if dag_id == TABLES[report]] for report in COUNTS}
    return {
        report: [_period_of(site, report, run_id) for run_id in run_ids] for report, run_ids in runs.items()
    }


def _period_of(site, report: str, run_id: str) -> Period:
    begin = datetime.fromisoformat(site.airflow.api.run(TABLES[report], run_id)["data_interval_start"])
    return get_report(report).granularity.period_of(beijing_day(begin))


def _tries(site, report: str) -> dict[Period, int]:
    tasks = site.airflow.api.tasks(TABLES[report], "~")
    assert {task["state"] for task in tasks} == {"success"}
    return {_period_of(site, report, task["dag_run_id"]): task["try_number"] for task in tasks}


@pytest.mark.parametrize("report", COUNTS)
def test_each_period_is_asked_for_once_and_landed_once(site, clean, report):
    expected = clean.periods[report]

    assert len(expected) == COUNTS[report]
    assert Counter(clean.journal.asked(report)) == Counter(map(asked_for, expected))
    assert site.starts(report) == [str(period.start) for period in expected]
    assert site.wrong_numbers(report, expected) == []


def test_each_run_asks_for_one_token_and_both_workers_take_part(site, clean):
    assert clean.journal.tokens() == sum(COUNTS.values())
    assert all(site.begun_by(worker) > SLOTS for worker in WORKERS)


@pytest.mark.parametrize("report", COUNTS)
def test_after_a_kill_each_period_is_landed_once_and_only_what_was_lost_asked_for_again(
    site, clean, killed, report
):
    expected, lost = killed.periods[report], killed.lost[report]
    landed = [*expected, *clean.periods[report]]

    assert Counter(killed.journal.asked(report)) == Counter(map(asked_for, [*expected, *lost]))
    assert {period for period, tries in _tries(site, report).items() if tries > 1} == set(lost)
    assert site.starts(report) == [str(period.start) for period in landed]
    assert site.wrong_numbers(report, landed) == []


def test_a_killed_worker_loses_as_many_tasks_as_it_ran(killed):
    assert sum(map(len, killed.lost.values())) == SLOTS
    assert killed.journal.tokens() == sum(COUNTS.values()) + SLOTS
