"""Loads that run at the same moment, in processes of their own, and one period loaded again and again."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from airflow_wechat.client.periods import periods_between
from airflow_wechat.client.reports import get_report
from airflow_wechat.operators import report as report_operators
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from forked import side_by_side
from proof.figures import record
from proof.landed import Landed
from runs import context_of_run

DAILY = get_report("daily_visit_trend")
MONTH = (date(2026, 1, 1), date(2026, 1, 31))
COUNT = 16
ROUNDS = 6
REPEATS = 100

PART = "side by side"


def load(*, ends_at: datetime | None = None, **arguments) -> None:
    WeChatReportToSqlOperator(
        task_id="load", report=DAILY.name, sql_conn_id="wechat_target", **arguments
    ).execute(context_of_run(data_interval_end=ends_at))


def load_range(first: date, last: date) -> None:
    load(begin_date=first, end_date=last)


@pytest.fixture
def landed(wechat, target_engine, monkeypatch):
    monkeypatch.setattr(report_operators, "_BATCH", 4)  # so that a load has many transactions
    load_range(*MONTH)  # the imports of a first load, done before the processes begin
    landed = Landed(target_engine, wechat.app.app_id, DAILY)
    landed.forget()
    return landed


def same_period(number: int):
    return lambda: load_range(MONTH[0], MONTH[0])


def overlapping_ranges(number: int):
    return lambda: load_range(MONTH[0] + timedelta(number), MONTH[0] + timedelta(number + 15))


def backfill_schedule_and_lookback(number: int):
    """Every third a backfill's run, a scheduled run, a run that looks back: all in one week."""
    day = datetime(2026, 1, 10 + number % 5, 16, tzinfo=UTC)
    ways = ({"begin_date": day.date()}, {"ends_at": day}, {"ends_at": day, "lookback": 6})
    return lambda: load(**ways[number % 3])


COVERED = {
    same_period: (MONTH[0], MONTH[0]),
    overlapping_ranges: MONTH,
    backfill_schedule_and_lookback: (date(2026, 1, 4), date(2026, 1, 14)),
}


def all_land(landed, loads, covered, *, with_old: bool) -> bool:
    """Load at once, over old rows or into nothing; tell whether all succeed and leave the table whole."""
    periods = list(periods_between(DAILY.granularity, *covered))
    landed.forget()
    if with_old:
        landed.fill(landed.old(periods).values())
    return side_by_side(loads) == [0] * len(loads) and landed.stored() == landed.answers(periods)


@pytest.mark.proof
@pytest.mark.parametrize("way", COVERED)
def test_sixteen_at_once(landed, way):
    loads = [way(number) for number in range(COUNT)]

    held = sum(all_land(landed, loads, COVERED[way], with_old=bool(number % 2)) for number in range(ROUNDS))

    name = way.__name__.replace("_", " ")
    record(PART, f"{landed.database}: {COUNT} at once, {name}: all succeed, the table whole", ROUNDS, held)
    assert held == ROUNDS


@pytest.mark.parametrize("target_engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("with_old", [False, True], ids=["into nothing", "over old answers"])
def test_four_at_once(landed, with_old):
    loads = [overlapping_ranges(number) for number in range(4)]

    assert all_land(landed, loads, (MONTH[0], date(2026, 1, 19)), with_old=with_old)


@pytest.mark.proof
def test_a_period_loaded_a_hundred_times_among_others_stays_the_same(landed):
    days = [period.start for period in periods_between(DAILY.granularity, *MONTH)][:10]
    order = days[:1] * REPEATS + days[1:] * 3
    random.Random(5).shuffle(order)
    expected = landed.answers(periods_between(DAILY.granularity, days[0], days[-1]))

    load_range(days[0], days[-1])
    held = 0
    for day in order:
        load_range(day, day)
        held += landed.stored() == expected

    what = f"{landed.database}: the same content after each load of one period, a hundred among others"
    record(PART, what, len(order), held)
    assert held == len(order)
