"""Waiting in the triggerer: when it fires, how often it asks, what it stores."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException
from hypothesis import given
from hypothesis import strategies as st

from airflow_wechat.client.periods import BEIJING
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.client.transport import Transport
from airflow_wechat.hooks.wechat import WeChatHook
from airflow_wechat.triggers.report import ReportPublishedTrigger, next_moment

DAILY_PATH = REPORTS["daily_visit_trend"].path
NOT_READY = {"errcode": 61503, "errmsg": "data not ready, please try later rid: 1-2-3"}

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)


def recent_days(count: int) -> list[str]:
    today = datetime.now(BEIJING).date()
    return [(today - timedelta(days=n)).isoformat() for n in range(count, 0, -1)]


def trigger(
    *, pending=None, poll_interval=0.001, asked_ago=timedelta(0), lasting=timedelta(minutes=1)
) -> ReportPublishedTrigger:
    return ReportPublishedTrigger(
        report="daily_visit_trend",
        wechat_conn_id="wechat_default",
        pending=pending or recent_days(1),
        poll_interval=poll_interval,
        asked_at=(datetime.now(UTC) - asked_ago).isoformat(),
        wait_until=(datetime.now(UTC) + lasting).isoformat(),
    )


def event_of(waiting: ReportPublishedTrigger) -> dict:
    async def first() -> dict:
        return (await anext(aiter(waiting.run()))).payload

    return asyncio.run(asyncio.wait_for(first(), timeout=30))


def times_asked(sandbox) -> int:
    return sum(request.path == DAILY_PATH for request in sandbox.requests)


def test_it_fires_when_wechat_publishes(wechat):
    wechat.answer_next(DAILY_PATH, NOT_READY, NOT_READY)

    assert event_of(trigger()) == {"timed_out": False}
    assert times_asked(wechat) == 3


def test_an_empty_answer_for_a_recent_period_is_waited_out(wechat):
    wechat.answer_next(DAILY_PATH, {"list": []})

    assert event_of(trigger()) == {"timed_out": False}
    assert times_asked(wechat) == 2


def test_it_fires_when_any_of_the_periods_is_published(wechat):
    wechat.answer_next(DAILY_PATH, NOT_READY)

    event_of(trigger(pending=recent_days(2)))

    assert times_asked(wechat) == 2


def test_it_fires_when_the_wait_is_over(wechat):
    wechat.answer_next(DAILY_PATH, *[NOT_READY] * 1000)

    assert event_of(trigger(lasting=timedelta(seconds=0.2), poll_interval=0.1)) == {"timed_out": True}


def test_a_wait_that_is_over_already_asks_nothing(wechat):
    assert event_of(trigger(lasting=timedelta(0))) == {"timed_out": True}
    assert wechat.requests == []


def test_a_wait_that_ends_before_the_first_interval_does_asks_nothing(wechat):
    """The task asks by itself then; both would ask at once."""
    assert event_of(trigger(poll_interval=3600, lasting=timedelta(seconds=0.1))) == {"timed_out": True}
    assert wechat.requests == []


@pytest.mark.parametrize("minutes_ago", [0, 29, 31, 59])
def test_it_waits_before_it_asks_however_late_it_is_started(wechat, minutes_ago):
    waiting = trigger(
        poll_interval=1800, asked_ago=timedelta(minutes=minutes_ago), lasting=timedelta(hours=2)
    )

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(anext(aiter(waiting.run())), timeout=0.2))

    assert wechat.requests == []


def test_one_that_is_started_again_asks_when_the_one_before_would_have(wechat):
    """A full interval from its own start would never pass where a triggerer is restarted more often."""
    waiting = trigger(poll_interval=3600, asked_ago=timedelta(minutes=59, seconds=59.5))

    assert event_of(waiting) == {"timed_out": False}
    assert times_asked(wechat) == 1


def test_a_clock_that_lags_behind_the_sleeping_does_not_make_it_ask_twice(wechat, monkeypatch):
    from airflow_wechat.triggers import report

    class StandingStill(datetime):
        @classmethod
        def now(cls, tz=None):
            return NOON

    async def sleep(_seconds):
        pass

    monkeypatch.setattr(report, "datetime", StandingStill)
    monkeypatch.setattr(report.asyncio, "sleep", sleep)
    wechat.answer_next(DAILY_PATH, *[NOT_READY] * 1000)
    waiting = trigger(poll_interval=900)
    waiting.asked_at, waiting.wait_until = NOON.isoformat(), (NOON + timedelta(hours=1)).isoformat()

    assert event_of(waiting) == {"timed_out": True}
    assert times_asked(wechat) == 3


def test_it_is_asked_first_when_a_whole_interval_has_passed():
    assert next_moment(NOON, NOON, QUARTER, NOON + DAY) == NOON + QUARTER


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0, 15), (1, 15), (14.99, 15), (15, 30), (16, 30), (44, 45)]
)
def test_it_is_asked_at_whole_intervals_since_the_task_has_asked(minutes, expected):
    after = NOON + timedelta(minutes=minutes)

    assert next_moment(after, NOON, QUARTER, NOON + DAY) == NOON + timedelta(minutes=expected)


def test_the_last_moment_is_the_waits_end():
    end = NOON + timedelta(minutes=20)

    assert next_moment(NOON + QUARTER, NOON, QUARTER, end) == end


def test_an_interval_longer_than_time_itself_ends_with_the_wait():
    assert next_moment(NOON, NOON, timedelta.max, NOON + DAY) == NOON + DAY


@given(
    poll_interval=st.timedeltas(timedelta(seconds=1), timedelta(days=2)),
    starts=st.lists(st.timedeltas(timedelta(0), DAY), min_size=1, max_size=20),
)
def test_whoever_asks_after_however_many_restarts_asks_at_the_same_moments(poll_interval, starts):
    end = NOON + 2 * DAY
    moments = {next_moment(NOON + start, NOON, poll_interval, end) for start in starts} - {end}
    ordered = sorted(moments)

    assert all(moment >= NOON + poll_interval for moment in ordered)
    assert all(later - one >= poll_interval for one, later in pairwise(ordered))


@pytest.fixture
def one_try(monkeypatch):
    """Let the client ask once, so that what follows is the trigger's asking again."""
    monkeypatch.setitem(Transport.__init__.__kwdefaults__, "tries", 1)


def test_a_passing_trouble_is_waited_out(wechat, one_try):
    wechat.answer_next(DAILY_PATH, 503, ConnectionError)

    assert event_of(trigger()) == {"timed_out": False}
    assert times_asked(wechat) == 3


def test_what_only_a_person_can_mend_fires_so_that_the_task_meets_it(wechat):
    wechat.answer_next(DAILY_PATH, {"errcode": 48001, "errmsg": "api unauthorized"}, *[NOT_READY] * 1000)

    assert event_of(trigger()) == {"timed_out": False}
    assert times_asked(wechat) == 1


def test_a_trouble_with_one_period_does_not_hide_that_another_is_published(wechat, one_try):
    wechat.answer_next(DAILY_PATH, 503)

    event_of(trigger(pending=recent_days(2)))

    assert times_asked(wechat) == 2


def test_a_connection_that_was_spoilt_meanwhile_fires_so_that_the_task_meets_it(connect_wechat):
    connect_wechat(host="http://api.weixin.qq.com")

    assert event_of(trigger()) == {"timed_out": False}


def test_a_connection_that_is_gone_fires_so_that_the_task_meets_it(wechat, monkeypatch):
    monkeypatch.setattr(WeChatHook, "get_connection", raising(AirflowNotFoundException("no such connection")))

    assert event_of(trigger()) == {"timed_out": False}


def test_a_trouble_in_finding_the_connection_is_waited_out(wechat, monkeypatch):
    monkeypatch.setattr(WeChatHook, "get_connection", raising(AirflowException("a backend that is down")))

    assert event_of(trigger(lasting=timedelta(seconds=0.2))) == {"timed_out": True}
    assert times_asked(wechat) == 0


def raising(error):
    def call(*_):
        raise error

    return call


def test_a_quota_that_is_used_up_ends_the_round(wechat):
    wechat.answer_next(DAILY_PATH, {"errcode": 45009, "errmsg": "reach max api daily quota limit"})

    event_of(trigger(pending=recent_days(2)))

    assert times_asked(wechat) == 2  # one of the two, and one a round later


def test_one_token_serves_the_whole_wait(wechat):
    wechat.answer_next(DAILY_PATH, NOT_READY, NOT_READY)

    event_of(trigger())

    assert [request.path for request in wechat.requests].count("/cgi-bin/stable_token") == 1


def test_waits_of_one_connection_share_one_token(wechat):
    async def all_of_them() -> None:
        waiting = [trigger(pending=[day]) for day in recent_days(40)]
        await asyncio.gather(*(anext(aiter(one.run())) for one in waiting))

    asyncio.run(all_of_them())

    assert times_asked(wechat) == 40
    assert [request.path for request in wechat.requests].count("/cgi-bin/stable_token") == 1


def test_a_wechat_that_hangs_keeps_none_of_the_loops_own_threads(wechat):
    """There are few of them, and other triggers need them."""
    answered = threading.Event()

    def hang(*_: object) -> bool:
        loop.call_soon_threadsafe(asked.set)
        return answered.wait(30)

    async def others_go_on() -> None:
        nonlocal asked, loop
        asked, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        waiting = trigger()
        waiting._worth_asking_for = hang
        ours = asyncio.create_task(anext(aiter(waiting.run())))
        await asked.wait()
        try:
            await asyncio.wait_for(asyncio.to_thread(int), timeout=10)
        finally:
            answered.set()
        await ours

    asked: asyncio.Event
    loop: asyncio.AbstractEventLoop
    asyncio.run(others_go_on())


def test_the_event_loop_goes_on_while_wechat_is_asked(wechat):
    waiting = trigger()
    loop_went_on = []

    def answer_when_the_loop_goes_on(*_: object) -> bool:
        asyncio.run_coroutine_threadsafe(note(), loop).result(timeout=10)
        return True

    async def note() -> None:
        loop_went_on.append(True)

    async def first() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        waiting._worth_asking_for = answer_when_the_loop_goes_on
        await anext(aiter(waiting.run()))

    loop: asyncio.AbstractEventLoop
    asyncio.run(first())

    assert loop_went_on


def test_it_starts_again_from_what_airflow_stores():
    original = trigger()
    path, arguments = original.serialize()

    module, _, name = path.rpartition(".")

    assert (module, name) == (ReportPublishedTrigger.__module__, "ReportPublishedTrigger")
    assert ReportPublishedTrigger(**arguments).serialize() == original.serialize()
