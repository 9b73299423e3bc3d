"""The transfer into a table, while WeChat has troubles of its own: what has landed stays."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from tenacity import wait_none

from airflow_wechat.client import client as client_module
from airflow_wechat.client.errors import WaitForDataError, WaitForQuotaError, WeChatError
from airflow_wechat.client.periods import periods_between
from airflow_wechat.client.transport import Transport
from airflow_wechat.operators import report as operators
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from airflow_wechat.triggers import report as triggers
from client.documented import PAIRS, RETRYABLE
from client.examined import refusal
from client.sandboxed import DAILY, HandClock
from client.scripted import PATIENCE
from client.troubled import TroubledSandbox
from proof.figures import figure, trial
from runs import connect, context_of_run

PART = "WeChat's own troubles"
NOT_READY = refusal(61503, "data not ready, please try later rid: 1-2-3")
A_QUARTER = timedelta(minutes=15)
TWO_DAYS = 2 * 24 * 4
"""Quarters of an hour."""

FIRST, LAST = date(2026, 1, 1), date(2026, 1, 20)
RANGE = list(periods_between(DAILY.granularity, FIRST, LAST))
YESTERDAY = date(2026, 11, 22)
AT_ONCE = 8

pytestmark = pytest.mark.quick_proof


@pytest.fixture
def clock():
    clock = HandClock()
    clock.set("2026-11-23T08:00:00+08:00")
    return clock


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    defaults = Transport.__init__.__kwdefaults__ | {"waits": wait_none()}
    monkeypatch.setattr(Transport.__init__, "__kwdefaults__", defaults)


@pytest.fixture
def sandbox(clock):
    with TroubledSandbox(clock=clock, publish_hour=0) as running:
        yield running


@pytest.fixture
def machines_clock(monkeypatch):
    """The clock of the machine, for whoever looks at it; a time that is slept passes at once."""
    machine = HandClock()

    class ByHand(datetime):
        @classmethod
        def now(cls, tz=None):
            return machine.now.astimezone(tz)

    async def sleep(seconds):
        machine.turn_on(seconds)

    for module in (operators, triggers, client_module):
        monkeypatch.setattr(module, "datetime", ByHand)
    monkeypatch.setattr(triggers.asyncio, "sleep", sleep)
    return machine


def operator(**arguments):
    return WeChatReportToSqlOperator(
        task_id="load", report=DAILY.name, sql_conn_id="wechat_target", **arguments
    )


def load(first=FIRST, last=LAST, **arguments):
    return operator(begin_date=str(first), end_date=str(last), **arguments).execute(context_of_run())


def stored(file):
    """The days that the table holds, in their order, each with WeChat's numbers."""
    columns = ", ".join(("period_start", *(field.name for field in DAILY.fields)))
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(f"SELECT {columns} FROM {DAILY.default_table} ORDER BY period_start")
        return rows.fetchall()


def said(sandbox, periods):
    """What WeChat says of some days, in the same form."""
    numbers = [(period, sandbox.said(period)) for period in periods]
    return [(str(period.start), *(row[field.name] for field in DAILY.fields)) for period, row in numbers]


def days_asked(sandbox, since=0):
    """The days that WeChat has answered, since so many calls."""
    calls = [call for call in sandbox.requests[since:] if call.path == DAILY.path and call.answered == 0]
    return [date.fromisoformat(call.body["begin_date"]) for call in calls]


# The whole table of errcodes


def test_every_errcode_ends_the_task_or_leaves_it_to_retries_and_the_row_stays(wechat, sqlite_target):
    load(FIRST, FIRST)
    before = stored(sqlite_target)

    with figure(PART, "each errcode ends the task, or leaves it to its retries, as documented") as counted:
        for errcode, error in PAIRS:
            wechat.instead = lambda call, errcode=errcode: (
                refusal(errcode) if call.path == DAILY.path else None
            )
            with counted.trial(errcode):
                with pytest.raises((WeChatError, AirflowFailException)) as caught:
                    load(FIRST, FIRST)
                assert type(caught.value) is (error if RETRYABLE[error] else AirflowFailException)
                assert f"errcode {errcode} from" in str(caught.value)
                assert stored(sqlite_target) == before == said(wechat, RANGE[:1])


# The day's quota


def to_go_on(error):
    """The dates that an error names to go on with; all of them where it names none."""
    named = re.search(r"begin_date=(\S+) and end_date=(\d{4}-\d\d-\d\d)", str(error))
    return tuple(map(date.fromisoformat, named.groups())) if named else (FIRST, LAST)


def let_requests_end():
    """Wait for those that were under way when the range ended, and that nobody waits for."""
    of_the_triggerer = triggers._THREADS._threads
    for thread in threading.enumerate():
        if thread.name.startswith("wechat") and thread not in of_the_triggerer:
            thread.join(PATIENCE)


@pytest.mark.parametrize("max_concurrency", [1, AT_ONCE])
def test_the_quota_ends_anywhere_in_a_range(clock, monkeypatch, sqlite_target, max_concurrency):
    what = "the quota ends anywhere in a range: what landed stays, the error says where to go on from"
    with figure(PART, what) as landed, figure(PART, "the next run asks for the rest alone") as next_runs:
        for quota in range(len(RANGE)):
            sqlite_target.unlink(missing_ok=True)
            with TroubledSandbox(clock=clock, publish_hour=0, daily_quota=quota) as sandbox:
                connect(monkeypatch, "wechat_default", sandbox.connection)
                with landed.trial(quota):
                    with pytest.raises(WaitForQuotaError) as caught:
                        load(max_concurrency=max_concurrency)
                    kept = stored(sqlite_target)
                    assert kept == said(sandbox, RANGE[: len(kept)])
                    assert quota - 2 * max_concurrency < len(kept) <= quota
                    assert to_go_on(caught.value) == (RANGE[len(kept)].start, LAST)
                let_requests_end()
                clock.turn_on(86_400)
                calls, left = len(sandbox.requests), [one.start for one in RANGE[len(kept) :]]
                if len(left) > quota:
                    continue
                with next_runs.trial(quota):
                    load(*to_go_on(caught.value), max_concurrency=max_concurrency)
                    assert stored(sqlite_target) == said(sandbox, RANGE)
                    assert sorted(days_asked(sandbox, calls)) == left


def test_a_range_longer_than_the_quota_lands_in_a_few_days(clock, monkeypatch, sqlite_target):
    quota, spent, days, left = 6, 0, 0, (FIRST, LAST)
    with TroubledSandbox(clock=clock, publish_hour=0, daily_quota=quota) as sandbox:
        connect(monkeypatch, "wechat_default", sandbox.connection)
        what = "a range longer than the day's quota, run with the dates of the error, lands in as many days"
        with trial(PART, f"{what} as it needs, nothing twice"):
            while left and days < len(RANGE):
                try:
                    load(*left, max_concurrency=1)
                    left = None
                except WaitForQuotaError as error:
                    left = to_go_on(error)
                days, spent = days + 1, len(days_asked(sandbox))
                clock.turn_on(86_400)
            assert stored(sqlite_target) == said(sandbox, RANGE)
            assert (days, spent) == (4, len(RANGE))


@pytest.mark.parametrize("errcode", [48001, 42001, -1, 99999])
def test_whatever_ends_a_range_the_error_says_where_to_go_on(wechat, sqlite_target, errcode):
    wechat.instead = lambda call: (
        refusal(errcode) if call.path == DAILY.path and len(days_asked(wechat)) >= 7 else None
    )
    with trial(PART, "whatever else ends a range, the error says where to go on from"):
        with pytest.raises((WeChatError, AirflowFailException)) as caught:
            load(max_concurrency=1, lookback=1)
        assert stored(sqlite_target)[1:] == said(wechat, RANGE[:6])
        assert to_go_on(caught.value) == (RANGE[6].start, LAST)
        assert "without lookback" in str(caught.value)


def test_an_error_on_a_runs_only_period_names_no_dates(wechat, sqlite_target):
    wechat.answer_next(DAILY.path, refusal(45009))

    with pytest.raises(WaitForQuotaError) as caught:
        load(FIRST, FIRST)

    assert "begin_date" not in str(caught.value)


@pytest.mark.parametrize("rounds", [1, pytest.param(25, marks=pytest.mark.proof)])
def test_runs_that_random_bursts_end_land_a_range_in_the_end(clock, monkeypatch, sqlite_target, rounds):
    shares = {"-1": 0.2, "61504": 0.1, "45011": 0.1, "http503": 0.05, "drop": 0.05, "61503": 0.02}
    what = "runs that random bursts end: the table holds WeChat's rows alone, and in the end all of them"
    with figure(PART, what) as counted:
        for seed in range(rounds):
            sqlite_target.unlink(missing_ok=True)
            with TroubledSandbox(clock=clock, publish_hour=0, failures=shares, seed=seed) as sandbox:
                connect(monkeypatch, "wechat_default", sandbox.connection)
                everything, left = said(sandbox, RANGE), (FIRST, LAST)
                for number in range(200):
                    with counted.trial((seed, number)):
                        try:
                            load(*left)
                            left = None
                        except WeChatError as error:
                            left = to_go_on(error) if "begin_date" in str(error) else left
                        assert set(stored(sqlite_target)) <= set(everything)
                    if left is None:
                        break
                with counted.trial((seed, "in the end")):
                    assert stored(sqlite_target) == everything


# Late


def events_of(deferred):
    """The trigger's event, as the triggerer gives it to the task."""
    _, fields = deferred.trigger.serialize()
    trigger = triggers.ReportPublishedTrigger(**fields)

    async def first():
        return (await anext(aiter(trigger.run()))).payload

    return asyncio.run(first())


def wait_for(run, **arguments):
    """Run a deferrable task to its end, as a worker and a triggerer do."""
    try:
        return operator(deferrable=True, **arguments).execute(run)
    except TaskDeferred as deferred:
        waited = operator(deferrable=True, **arguments)
        return getattr(waited, deferred.method_name)(run, event=events_of(deferred), **deferred.kwargs)


@pytest.fixture
def not_ready_for_two_days(wechat, clock, machines_clock):
    machines_clock.now = clock.now
    wechat.answer_next(DAILY.path, *[NOT_READY] * TWO_DAYS)
    return wechat


OF_YESTERDAY = {"data_interval_end": datetime(2026, 11, 22, 16, tzinfo=UTC)}


def test_a_wait_of_two_days_lands_the_day_once(not_ready_for_two_days, sqlite_target):
    with trial(PART, "not ready for two days, waited for in the triggerer: asked every quarter, landed once"):
        manifest = wait_for(context_of_run(**OF_YESTERDAY), wait_timeout=timedelta(days=3))

        period = DAILY.granularity.period_of(YESTERDAY)
        assert manifest["rows"] == 1
        assert stored(sqlite_target) == said(not_ready_for_two_days, [period])
        # the task, the triggerer after each quarter, and the task again
        assert not_ready_for_two_days.asked(DAILY.path) == 1 + TWO_DAYS + 1


def test_a_wait_that_ends_before_says_what_was_waited_for(not_ready_for_two_days, sqlite_target):
    with trial(PART, "not ready for two days, waited for one: the task ends and says what it waited for"):
        with pytest.raises(
            AirflowFailException, match=r"waited 1 day.*daily_visit_trend of 2026-11-22.*61503"
        ):
            wait_for(context_of_run(**OF_YESTERDAY))

        assert stored(sqlite_target) == []
        assert not_ready_for_two_days.asked(DAILY.path) == TWO_DAYS // 2 + 1


def test_retries_wait_for_two_days_as_well(not_ready_for_two_days, clock, sqlite_target):
    with figure(
        PART, "not ready for two days, left to retries: each says so, the last one lands it"
    ) as counted:
        for number in range(TWO_DAYS):
            with counted.trial(number), pytest.raises(WaitForDataError, match="61503"):
                operator(retries=TWO_DAYS).execute(context_of_run(**OF_YESTERDAY, try_number=number + 1))
            clock.turn_on(A_QUARTER.total_seconds())
        with counted.trial("the last"):
            operator().execute(context_of_run(**OF_YESTERDAY))
            period = DAILY.granularity.period_of(YESTERDAY)
            assert stored(sqlite_target) == said(not_ready_for_two_days, [period])


# By a clock that is wrong

WRONG = [sign * timedelta(hours=hours) for hours in (1, 8, 13, 49) for sign in (1, -1)]


def test_a_runs_own_period_does_not_follow_a_clock_that_is_wrong(
    wechat, clock, machines_clock, sqlite_target
):
    period = DAILY.granularity.period_of(YESTERDAY)
    what = "this machine's clock wrong by hours: a run lands its own period, or says that the clock is behind"
    with figure(PART, what) as counted:
        for wrong in WRONG:
            machines_clock.now = clock.now + wrong
            for moment in ("data_interval_end", "run_after"):
                sqlite_target.unlink(missing_ok=True)
                run, calls = context_of_run(**{moment: period.ends_at}), len(wechat.requests)
                with counted.trial((wrong, moment)):
                    if machines_clock.now < period.ends_at:
                        with pytest.raises(BadArgumentError, match="if it is over, set this machine's clock"):
                            operator().execute(run)
                        assert len(wechat.requests) == calls
                    else:
                        operator().execute(run)
                        assert stored(sqlite_target) == said(wechat, [period])


def test_a_clock_that_is_ahead_lets_wechat_refuse_what_is_not_over(
    wechat, clock, machines_clock, sqlite_target
):
    machines_clock.now = clock.now + timedelta(hours=25)

    with trial(PART, "a clock that is ahead: WeChat refuses what is not over, and the error names the clock"):
        with pytest.raises(AirflowFailException, match=r"61501.*whether the machine's clock is right"):
            load(clock.now.date(), clock.now.date())
        assert stored(sqlite_target) == []


def test_a_clock_that_is_behind_refuses_what_it_takes_for_the_future(
    wechat, clock, machines_clock, sqlite_target
):
    machines_clock.now = clock.now - timedelta(hours=25)

    with trial(PART, "a clock that is behind: the last date it allows is named, and WeChat not asked"):
        with pytest.raises(BadArgumentError, match="2026-11-21"):
            load(YESTERDAY, YESTERDAY)
        assert wechat.requests == []
