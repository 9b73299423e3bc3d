"""A load killed with SIGKILL, at the edge of every statement and at random moments, and the next one."""

from __future__ import annotations

import itertools
import multiprocessing
import random
import signal
import time
from datetime import date
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event

import pytest
import sqlalchemy as sa

from airflow_wechat.client.periods import periods_between
from airflow_wechat.client.reports import Row, get_report
from airflow_wechat.operators import report as report_operators
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from forked import die_at
from proof.figures import figure, record
from proof.landed import Landed
from runs import context_of_run

DAILY = get_report("daily_visit_trend")
PERIODS = list(periods_between(DAILY.granularity, date(2026, 1, 1), date(2026, 1, 6)))
BATCH = 2  # so that a load has three transactions
RANDOM_KILLS = 40
PATIENCE = 60

PART = "kill"

_processes = multiprocessing.get_context("fork")


def load() -> None:
    """What is killed: a whole load, from its arguments to its manifest."""
    WeChatReportToSqlOperator(
        task_id="load",
        report=DAILY.name,
        sql_conn_id="wechat_target",
        begin_date=PERIODS[0].start,
        end_date=PERIODS[-1].end,
    ).execute(context_of_run())


def load_and_die(edge: int | None, stores: Event) -> None:
    """Load, and die at an edge.

    :param stores: is set when the first row is about to be stored
    """

    def look(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            stores.set()

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", look)
    die_at(edge)
    load()


def begin_to_load(edge: int | None = None) -> tuple[BaseProcess, Event]:
    """Start a process that loads and dies at an edge; return it, and what it sets when it begins to store."""
    stores = _processes.Event()
    process = _processes.Process(target=load_and_die, args=(edge, stores))
    process.start()
    return process, stores


def run_and_kill(edge: int | None = None, after: float | None = None) -> bool:
    """Load in a process of its own; tell whether it was killed before its end.

    :param after: kill it so many seconds after it has begun to store
    """
    process, stores = begin_to_load(edge)
    if after is not None:
        assert stores.wait(PATIENCE)
        time.sleep(after)
        process.kill()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def storing_takes() -> float:
    """Return the seconds from the first row that a load stores to its end."""
    process, stores = begin_to_load()
    assert stores.wait(PATIENCE)
    begin = time.monotonic()
    process.join()
    return time.monotonic() - begin


class Target(Landed):
    """The table, with an old answer for each period or for none, and what may stand in it."""

    def __init__(self, engine: sa.engine.Engine, app_id: str) -> None:
        super().__init__(engine, app_id, DAILY)
        self.before = self.old(PERIODS)
        self.after = self.answers(PERIODS)

    def begin(self, *, with_old: bool) -> None:
        """Forget everything, and store the old answers if wanted."""
        self.forget()
        if with_old:
            self.fill(self.before.values())

    def is_whole(self, stored: dict[date, Row], *, with_old: bool = True) -> bool:
        """Tell whether each period has its old answer or its new one, whole, and no other has any."""
        return stored.keys() <= self.after.keys() and all(
            stored.get(start) in (self.after[start], self.before[start] if with_old else None)
            for start in self.after
        )

    def survives(self, *, edge: int, with_old: bool) -> bool | None:
        """Kill a load at an edge, load again; tell whether all was whole, ``None`` where it ended before."""
        self.begin(with_old=with_old)
        if not run_and_kill(edge):
            return None
        whole = self.is_whole(self.stored(), with_old=with_old)
        run_and_kill()
        return whole and self.stored() == self.after


@pytest.fixture
def target(wechat, target_engine, monkeypatch):
    monkeypatch.setattr(report_operators, "_BATCH", BATCH)
    load()  # what a process imports at its first load, those that are killed have then
    return Target(target_engine, wechat.app.app_id)


@pytest.mark.proof
@pytest.mark.parametrize("with_old", [True, False], ids=["over old answers", "into nothing"])
def test_killed_at_the_edge_of_every_statement(target, with_old):
    tried = held = 0
    for edge in itertools.count(1):
        survives = target.survives(edge=edge, with_old=with_old)
        if survives is None:
            break
        tried, held = tried + 1, held + survives

    record(PART, f"{target.database}: killed at the edge of every statement", tried, held)
    assert tried > 20
    assert held == tried


@pytest.mark.parametrize("target_engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("edge", [1, 14, 20])
def test_killed_at_a_few_edges(target, edge):
    assert target.survives(edge=edge, with_old=True)


@pytest.mark.proof
def test_killed_at_random_moments(target):
    target.begin(with_old=True)
    takes, chance = storing_takes(), random.Random(7)

    killed = held = between = 0
    while killed < RANDOM_KILLS:
        target.begin(with_old=True)
        if not run_and_kill(after=chance.uniform(0, takes)):
            takes *= 0.95  # it is quicker now than when it was timed
            continue
        stored = target.stored()
        run_and_kill()
        killed, held = killed + 1, held + (target.is_whole(stored) and target.stored() == target.after)
        between += stored not in (target.before, target.after)

    record(PART, f"{target.database}: killed at random moments", killed, held)
    assert held == killed
    assert between > RANDOM_KILLS // 10  # after some of the three batches had landed, and before all had


OF_ANOTHER = {"app_id": "wx-other", "period_start": date(2020, 1, 1)}


@pytest.mark.quick_proof
def test_the_search_for_what_is_torn_finds_it_in_any_column(target):
    start = PERIODS[0].start
    target.forget()
    with figure(PART, "negative control: a row that is torn in any one of its columns is found") as counted:
        for rows, others in ((target.before, target.after), (target.after, target.before)):
            target.fill(rows.values())
            assert target.is_whole(target.stored())
            for name, value in (others[start] | OF_ANOTHER).items():
                target.fill((rows | {start: rows[start] | {name: value}}).values())
                stored = target.stored()
                with counted.trial(name):
                    assert not target.is_whole(stored)
                    assert stored != target.after


@pytest.mark.quick_proof
def test_the_search_for_what_is_torn_finds_what_is_not_there_or_too_much(target):
    first, *others = target.after.values()
    with figure(PART, "negative control: a row that is missing or too much is found") as counted:
        for rows in (others, [*others, first, first | OF_ANOTHER]):
            target.fill(rows)
            stored = target.stored()
            with counted.trial(len(rows)):
                assert not target.is_whole(stored)
                assert stored != target.after
