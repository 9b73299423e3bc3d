"""Waiting in the triggerer: when it fires, how often it asks, what it stores."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from airflow_wechat.client.periods import BEIJING
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.triggers.report import ReportPublishedTrigger

DAILY_PATH = REPORTS["daily_visit_trend"].path
NOT_READY = {"errcode": 61503, "errmsg": "data not ready, please try later rid: 1-2-3"}


def recent_days(count: int) -> list[str]:
    today = datetime.now(BEIJING).date()
    return [(today - timedelta(days=n)).isoformat() for n in range(count, 0, -1)]


def trigger(*, pending=None, poll_interval=0.001, lasting=timedelta(minutes=1)) -> ReportPublishedTrigger:
    return ReportPublishedTrigger(
        report="daily_visit_trend",
        wechat_conn_id="wechat_default",
        pending=pending or recent_days(1),
        poll_interval=poll_interval,
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


def test_it_waits_before_it_asks_so_that_a_restarted_triggerer_does_not_ask_twice_as_often(wechat):
    waiting = trigger(poll_interval=3600, lasting=timedelta(hours=2))

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(anext(aiter(waiting.run())), timeout=0.2))

    assert wechat.requests == []


def test_a_passing_trouble_is_waited_out(wechat, monkeypatch):
    from airflow_wechat.client import transport

    monkeypatch.setattr(transport, "_TRIES", 1)
    wechat.answer_next(DAILY_PATH, 503, ConnectionError)

    assert event_of(trigger()) == {"timed_out": False}
    assert times_asked(wechat) == 3


def test_what_only_a_person_can_mend_fires_so_that_the_task_meets_it(wechat):
    wechat.answer_next(DAILY_PATH, {"errcode": 48001, "errmsg": "api unauthorized"}, *[NOT_READY] * 1000)

    assert event_of(trigger()) == {"timed_out": False}
    assert times_asked(wechat) == 1


def test_a_trouble_with_one_period_does_not_hide_that_another_is_published(wechat, monkeypatch):
    from airflow_wechat.client import transport

    monkeypatch.setattr(transport, "_TRIES", 1)
    wechat.answer_next(DAILY_PATH, 503)

    event_of(trigger(pending=recent_days(2)))

    assert times_asked(wechat) == 2


def test_a_connection_that_was_spoilt_meanwhile_fires_so_that_the_task_meets_it(connect_wechat):
    connect_wechat(host="http://api.weixin.qq.com")

    assert event_of(trigger()) == {"timed_out": False}


def test_one_token_serves_the_whole_wait(wechat):
    wechat.answer_next(DAILY_PATH, NOT_READY, NOT_READY)

    event_of(trigger())

    assert [request.path for request in wechat.requests].count("/cgi-bin/stable_token") == 1


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
