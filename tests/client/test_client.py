from __future__ import annotations

import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from email.utils import formatdate
from typing import Any

import pytest
from tenacity import wait_none

from airflow_wechat.client.answers import Quota
from airflow_wechat.client.client import QUOTA_PATH, Fetched, WeChatClient
from airflow_wechat.client.errors import (
    AskPermissionError,
    CheckAnswerError,
    FixCredentialsError,
    RenewTokenError,
    TryAgainError,
    WaitForDataError,
    WeChatError,
)
from airflow_wechat.client.periods import Granularity, Period
from airflow_wechat.client.reports import REPORTS, Report
from airflow_wechat.client.routes import INVOKE_PATH, by_cloud_function
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.token_sources.stable import STABLE_TOKEN_PATH, StableToken
from airflow_wechat.client.token_sources.supplied import GivenToken
from airflow_wechat.client.tokens import Proof
from airflow_wechat.client.transport import Transport
from client.scripted import Gate, Reply, Request, Script, ScriptedServer

DAILY = REPORTS["daily_visit_trend"]
WEEKLY = REPORTS["weekly_visit_trend"]
MONTHLY = REPORTS["monthly_visit_trend"]
NOW = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)
DAY = DAILY.granularity.period_of(date(2026, 1, 5))
DAY_THREE = DAILY.granularity.period_of(date(2020, 1, 3))

every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=list(REPORTS))

STALE = {"errcode": 40001, "errmsg": "invalid credential, access_token is invalid or not latest rid: 1-2-3"}
NOT_READY = {"errcode": 61503, "errmsg": "data not ready, please try later rid: 1-2-3"}
FORBIDDEN = {"errcode": 48001, "errmsg": "api unauthorized rid: 1-2-3"}
EMPTY: dict[str, Any] = {"list": []}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(server: ScriptedServer, clock: Clock) -> WeChatClient:
    """A client whose server gives the tokens t1, t2, … and a row for every period."""
    tokens = [{"access_token": f"t{count}", "expires_in": 7200} for count in range(1, 9)]
    server.on(STABLE_TOKEN_PATH, *tokens)
    for report in REPORTS.values():
        server.on(report.path, the_row)
    transport = Transport(server.url, waits=wait_none())
    return WeChatClient("wx1", transport, StableToken(transport, "wx1", "the-secret"), clock=clock)


def the_row(request: Request) -> Script:
    """Answer with the row of the period that was asked for."""
    begin, end = request.json["begin_date"], request.json["end_date"]
    lengths = {0: begin, 6: f"{begin}-{end}"}
    return answer_of(lengths.get(int(end) - int(begin), begin[:6]))


def answer_of(ref_date: str) -> dict[str, Any]:
    counts = {"session_cnt": 4, "visit_pv": 9, "visit_uv": 3, "visit_uv_new": 1}
    return {"list": [{"ref_date": ref_date, **counts, "stay_time_session": 1.5, "visit_depth": 2}]}


def tokens_used(server: ScriptedServer, report: Report = DAILY) -> list[str]:
    return [request.query["access_token"][0] for request in server.asked(report.path)]


def days(count: int, first: date = date(2020, 1, 1)) -> Iterator[Period]:
    period = Granularity.DAILY.period_of(first)
    for _ in range(count):
        yield period
        period = period.next


# One period


@pytest.mark.parametrize(
    ("report", "day", "begin", "end"),
    [
        (DAILY, date(2026, 1, 5), "20260105", "20260105"),
        (WEEKLY, date(2026, 1, 7), "20260105", "20260111"),
        (WEEKLY, date(2026, 1, 1), "20251229", "20260104"),
        (MONTHLY, date(2026, 2, 7), "20260201", "20260228"),
        (MONTHLY, date(2024, 2, 29), "20240201", "20240229"),
    ],
)
def test_a_period_is_asked_for_by_its_first_and_last_day(
    server: ScriptedServer, client: WeChatClient, report: Report, day: date, begin: str, end: str
) -> None:
    client.check_credentials()
    period = report.granularity.period_of(day)
    server.on(report.path, answer_of(period.ref_date))

    client.fetch(report, period)

    [request] = server.asked(report.path)
    assert request.method == "POST"
    assert request.json == {"begin_date": begin, "end_date": end}
    assert request.query == {"access_token": ["t1"]}


@every_report
def test_a_fetched_row_is_the_apps_row_of_that_period(client: WeChatClient, report: Report) -> None:
    period = report.granularity.period_of(date(2026, 2, 2))

    [row] = client.fetch(report, period)

    assert list(row.items()) == [
        ("app_id", "wx1"),
        ("period_start", period.start.isoformat()),
        ("period_end", period.end.isoformat()),
        ("ref_date", period.ref_date),
        ("session_cnt", 4),
        ("visit_pv", 9),
        ("visit_uv", 3),
        ("visit_uv_new", 1),
        ("stay_time_uv", None),
        ("stay_time_session", 1.5),
        ("visit_depth", 2.0),
        ("extra", None),
        ("fetched_at", "2026-03-18T04:00:00.000000+00:00"),
    ]


def test_a_row_for_another_period_is_never_given(server: ScriptedServer, client: WeChatClient) -> None:
    server.on(DAILY.path, answer_of("20260106"))

    with pytest.raises(CheckAnswerError, match="asked for 20260105, got ref_date '20260106'"):
        client.fetch(DAILY, DAY)


@pytest.mark.parametrize("day", [date(2026, 3, 17), date(2017, 3, 13)])
def test_61503_means_wait_however_old_the_period(
    server: ScriptedServer, client: WeChatClient, day: date
) -> None:
    server.on(DAILY.path, NOT_READY)

    with pytest.raises(WaitForDataError, match="rid: 1-2-3") as caught:
        client.fetch(DAILY, Granularity.DAILY.period_of(day))

    assert caught.value.errcode == 61503
    assert not caught.value.empty


@every_report
@pytest.mark.parametrize("age", [timedelta(), timedelta(days=3) - timedelta(microseconds=1)])
def test_an_empty_list_for_a_period_just_over_means_wait(
    server: ScriptedServer, client: WeChatClient, clock: Clock, report: Report, age: timedelta
) -> None:
    period = report.granularity.period_of(date(2026, 1, 5))
    clock.now = period.ends_at + age
    server.on(report.path, EMPTY)

    with pytest.raises(WaitForDataError, match="which ended less than 3 days ago") as caught:
        client.fetch(report, period)

    assert caught.value.empty
    assert caught.value.path == report.path


@every_report
@pytest.mark.parametrize("age", [timedelta(days=3), timedelta(days=3000)])
def test_an_empty_list_for_a_period_long_over_means_no_data(
    server: ScriptedServer, client: WeChatClient, clock: Clock, report: Report, age: timedelta
) -> None:
    period = report.granularity.period_of(date(2026, 1, 5))
    clock.now = period.ends_at + age
    server.on(report.path, EMPTY)

    assert client.fetch(report, period) == []


@pytest.mark.parametrize(
    ("age", "ahead", "waits"),
    [
        (timedelta(days=3) + timedelta(hours=16, seconds=-60), 16, True),
        (timedelta(days=3) + timedelta(hours=16, seconds=60), 16, False),
        (timedelta(days=3) - timedelta(seconds=60), -16, True),
    ],
    ids=["recent by WeChat's clock", "by neither", "by this machine's"],
)
def test_by_whichever_clock_is_behind_an_empty_list_means_wait(
    server: ScriptedServer, client: WeChatClient, clock: Clock, age: timedelta, ahead: int, waits: bool
) -> None:
    clock.now = DAY.ends_at + age
    said = formatdate(time.time() - ahead * 3600, usegmt=True)
    server.on(DAILY.path, Reply(b'{"list":[]}', headers=(("Date", said),)))

    with pytest.raises(WaitForDataError) if waits else nullcontext():
        assert client.fetch(DAILY, DAY) == []


def test_a_recent_period_with_a_row_is_not_waited_for(client: WeChatClient, clock: Clock) -> None:
    clock.now = DAY.ends_at

    assert len(client.fetch(DAILY, DAY)) == 1


def test_a_trouble_that_waiting_does_not_mend_is_raised_as_it_is(
    server: ScriptedServer, client: WeChatClient
) -> None:
    server.on(DAILY.path, Reply(b"", 503))

    with pytest.raises(TryAgainError, match="HTTP 503"):
        client.fetch(DAILY, DAY)


# A stale token


@pytest.mark.parametrize("errcode", [40001, 40014, 42001, 41001])
def test_a_stale_token_is_renewed_and_the_same_call_repeated(
    server: ScriptedServer, client: WeChatClient, errcode: int
) -> None:
    server.on(DAILY.path, {"errcode": errcode, "errmsg": "stale"}, the_row)

    rows = client.fetch(DAILY, DAY)

    assert len(rows) == 1
    assert tokens_used(server) == ["t1", "t2"]
    assert len({request.body for request in server.asked(DAILY.path)}) == 1


def test_a_token_that_is_stale_again_is_not_renewed_twice(
    server: ScriptedServer, client: WeChatClient
) -> None:
    server.on(DAILY.path, STALE)

    with pytest.raises(RenewTokenError, match="rid: 1-2-3"):
        client.fetch(DAILY, DAY)

    assert tokens_used(server) == ["t1", "t2"]
    assert len(server.asked(STABLE_TOKEN_PATH)) == 2


def test_after_a_renewal_the_new_token_is_kept(server: ScriptedServer, client: WeChatClient) -> None:
    server.on(DAILY.path, STALE, the_row)

    client.fetch(DAILY, DAY)
    client.fetch(DAILY, DAY)

    assert tokens_used(server) == ["t1", "t2", "t2"]


def test_a_secret_that_was_changed_meanwhile_is_fatal(server: ScriptedServer, client: WeChatClient) -> None:
    client.check_credentials()
    server.on(DAILY.path, STALE)
    server.on(STABLE_TOKEN_PATH, {"errcode": 40001, "errmsg": "invalid credential"})

    with pytest.raises(FixCredentialsError):
        client.fetch(DAILY, DAY)

    assert tokens_used(server) == ["t1"]


def test_checking_credentials_asks_for_no_data(server: ScriptedServer, client: WeChatClient) -> None:
    client.check_credentials()

    assert [request.path for request in server.requests] == [STABLE_TOKEN_PATH]


# Quota and credentials

QUOTA = {"errcode": 0, "quota": {"daily_limit": 1000, "used": 3, "remain": 997}}


def test_the_quota_is_asked_for_by_the_reports_path(server: ScriptedServer, client: WeChatClient) -> None:
    server.on(QUOTA_PATH, QUOTA)

    assert client.quota(WEEKLY) == Quota(1000, 3, 997)

    [asked] = server.asked(QUOTA_PATH)
    assert asked.json == {"cgi_path": WEEKLY.path}
    assert asked.query == {"access_token": ["t1"]}


@pytest.mark.parametrize("answer", [FORBIDDEN, {"errcode": 0}])
def test_an_error_about_the_quota_names_its_call(
    server: ScriptedServer, client: WeChatClient, answer: dict[str, Any]
) -> None:
    server.on(QUOTA_PATH, answer)

    with pytest.raises(WeChatError, match=f"from {QUOTA_PATH}: ") as caught:
        client.quota(DAILY)

    assert caught.value.path == QUOTA_PATH


def test_a_token_that_wechat_has_not_just_given_is_tried_on_the_quota(server: ScriptedServer) -> None:
    server.on(QUOTA_PATH, QUOTA)
    supplied = GivenToken(Secret("68_given"), "access_token")

    proof = WeChatClient("wx1", Transport(server.url), supplied).check_credentials()

    assert proof is Proof.TRIED
    assert [request.json for request in server.requests] == [{"cgi_path": DAILY.path}]


# Through a cloud function


def test_a_token_refused_inside_the_function_is_not_renewed(
    server: ScriptedServer, client: WeChatClient
) -> None:
    server.on(INVOKE_PATH, {"errcode": 0, "resp_data": json.dumps(STALE)})
    client._route = by_cloud_function("e", "f")

    with pytest.raises(RenewTokenError, match="not with ours"):
        client.fetch(DAILY, DAY)

    assert len(server.asked(INVOKE_PATH)) == len(server.asked(STABLE_TOKEN_PATH)) == 1


def test_an_error_in_what_the_function_returned_names_its_own_call(
    server: ScriptedServer, client: WeChatClient
) -> None:
    server.on(INVOKE_PATH, {"errcode": 0, "resp_data": "{}"})
    client._route = by_cloud_function("e", "f")

    with pytest.raises(CheckAnswerError, match="no list in the answer") as caught:
        client.fetch(DAILY, DAY)

    assert caught.value.path == DAILY.cloud_call


# Many periods


def test_many_periods_are_given_in_their_order(client: WeChatClient) -> None:
    fetched = list(client.fetch_many(DAILY, days(30)))

    assert [one.period for one in fetched] == list(days(30))
    assert [one.rows[0]["ref_date"] for one in fetched] == [period.ref_date for period in days(30)]
    assert [one.not_ready for one in fetched] == [None] * 30


@every_report
@pytest.mark.parametrize("max_concurrency", [1, 3])
def test_many_periods_of_every_report_are_fetched(
    client: WeChatClient, report: Report, max_concurrency: int
) -> None:
    first = report.granularity.period_of(date(2020, 1, 6))
    periods = [first, first.next, first.next.next]

    fetched = client.fetch_many(report, iter(periods), max_concurrency=max_concurrency)

    assert [one.rows[0]["period_start"] for one in fetched] == [str(period.start) for period in periods]


def test_the_order_is_kept_where_a_later_answer_comes_first(
    server: ScriptedServer, client: WeChatClient
) -> None:
    gate = Gate()

    def first_last(request: Request) -> Script:
        if request.json["begin_date"] == "20200101":
            gate.hold()
        if request.json["begin_date"] == "20200103":
            gate.open()
        return the_row(request)

    server.on(DAILY.path, first_last)

    fetched = list(client.fetch_many(DAILY, days(4), max_concurrency=2))

    assert [one.period for one in fetched] == list(days(4))
    assert gate.most_waiting == 1


def test_no_period_is_no_request_for_data(server: ScriptedServer, client: WeChatClient) -> None:
    assert list(client.fetch_many(DAILY, [])) == []
    assert server.asked(DAILY.path) == []


def test_requests_go_side_by_side_but_no_more_than_allowed(
    server: ScriptedServer, client: WeChatClient
) -> None:
    gate = Gate()
    server.on(DAILY.path, gate.then(the_row))

    with ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(lambda: list(client.fetch_many(DAILY, days(20), max_concurrency=3)))
        gate.wait_for(3)
        gate.open()

        assert len(fetched.result()) == 20
    assert gate.most_waiting == 3


@pytest.mark.parametrize("max_concurrency", [1, 3])
def test_no_more_than_twice_the_concurrency_is_under_way(client: WeChatClient, max_concurrency: int) -> None:
    drawn = 0

    def counted() -> Iterator[Period]:
        nonlocal drawn
        for period in days(40):
            drawn += 1
            yield period

    under_way = [
        drawn - given
        for given, _ in enumerate(client.fetch_many(DAILY, counted(), max_concurrency=max_concurrency))
    ]

    assert len(under_way) == 40
    assert max(under_way) == 2 * max_concurrency


class InstantTransport(Transport):
    """Answers without a network, for numbers of periods that only counting needs."""

    def post(self, path: str, body: Any, **_: Any) -> dict[str, Any]:
        if path == STABLE_TOKEN_PATH:
            return {"access_token": "t1", "expires_in": 7200}
        return answer_of(body["begin_date"])


def test_years_of_periods_are_not_held_in_memory() -> None:
    transport = InstantTransport()
    client = WeChatClient("wx1", transport, StableToken(transport, "wx1", "the-secret"), clock=Clock())
    drawn: list[weakref.ref[Period]] = []

    def watched() -> Iterator[Period]:
        for period in days(10_000, date(1998, 1, 1)):
            drawn.append(weakref.ref(period))
            yield period

    held = [
        sum(period() is not None for period in drawn)
        for given, _ in enumerate(client.fetch_many(DAILY, watched(), max_concurrency=4))
        if given % 500 == 0
    ]

    assert len(drawn) == 10_000
    assert max(held) <= 4 * 4


@pytest.mark.parametrize("not_ready", [NOT_READY, EMPTY], ids=["61503", "empty"])
def test_a_period_that_is_not_ready_does_not_stop_the_others(
    server: ScriptedServer, client: WeChatClient, clock: Clock, not_ready: Script
) -> None:
    clock.now = datetime(2020, 1, 3, tzinfo=UTC)
    server.on(DAILY.path, lambda asked: not_ready if b"20200103" in asked.body else the_row(asked))

    fetched = list(client.fetch_many(DAILY, days(6)))

    assert [one.period for one in fetched if one.not_ready] == [DAY_THREE]
    assert [len(one.rows) for one in fetched] == [1, 1, 0, 1, 1, 1]
    assert fetched[2].not_ready is not None
    assert fetched[2].not_ready.empty is (not_ready is EMPTY)


def test_an_old_period_without_data_is_not_waited_for(server: ScriptedServer, client: WeChatClient) -> None:
    server.on(DAILY.path, EMPTY)

    assert list(client.fetch_many(DAILY, [DAY_THREE])) == [Fetched(DAY_THREE)]


def test_a_fatal_error_comes_at_its_place_after_those_before_it(
    server: ScriptedServer, client: WeChatClient
) -> None:
    server.on(DAILY.path, lambda asked: FORBIDDEN if b"20200105" in asked.body else the_row(asked))
    given: list[Period] = []

    with pytest.raises(AskPermissionError):
        given.extend(one.period for one in client.fetch_many(DAILY, days(100), max_concurrency=2))

    assert given == list(days(4))
    assert len(server.asked(DAILY.path)) <= 4 + 2 * 2


def test_a_wrong_secret_costs_one_request(server: ScriptedServer, client: WeChatClient) -> None:
    server.on(STABLE_TOKEN_PATH, {"errcode": 40001, "errmsg": "invalid credential"})

    with pytest.raises(FixCredentialsError):
        next(client.fetch_many(DAILY, days(100)))

    assert [request.path for request in server.requests] == [STABLE_TOKEN_PATH]


def test_one_token_serves_all_periods(server: ScriptedServer, client: WeChatClient) -> None:
    list(client.fetch_many(DAILY, days(40)))

    assert len(server.asked(STABLE_TOKEN_PATH)) == 1
    assert set(tokens_used(server)) == {"t1"}


def test_a_stale_token_is_renewed_once_for_all(server: ScriptedServer, client: WeChatClient) -> None:
    gate = Gate()

    def until_all_are_there(request: Request) -> Script:
        if request.query["access_token"] == ["t1"]:
            gate.hold()
            return STALE
        return the_row(request)

    server.on(DAILY.path, until_all_are_there)

    with ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(lambda: list(client.fetch_many(DAILY, days(40), max_concurrency=8)))
        gate.wait_for(8)
        gate.open()

        assert [len(one.rows) for one in fetched.result()] == [1] * 40
    assert len(server.asked(STABLE_TOKEN_PATH)) == 2
    assert sorted(set(tokens_used(server))) == ["t1", "t2"]


def test_nothing_is_asked_before_the_first_is_wanted(server: ScriptedServer, client: WeChatClient) -> None:
    client.fetch_many(DAILY, days(3))

    assert server.requests == []


def hold_all_but_the_first(gate: Gate, first: Script) -> Callable[[Request], Script]:
    def script(request: Request) -> Script:
        if request.json["begin_date"] == "20200101":
            return first
        gate.hold()
        return the_row(request)

    return script


def test_who_wants_no_more_waits_for_no_request_and_begins_none(
    server: ScriptedServer, client: WeChatClient
) -> None:
    gate = Gate()
    server.on(DAILY.path, hold_all_but_the_first(gate, answer_of("20200101")))
    fetched = client.fetch_many(DAILY, days(10_000), max_concurrency=3)
    next(fetched)
    gate.wait_for(3)

    fetched.close()  # type: ignore[attr-defined]

    assert gate.waiting == 3  # WeChat holds their answers back still
    assert len(threads_of_a_fetch()) == 3
    gate.open()
    end_threads_of_a_fetch()
    assert len(server.asked(DAILY.path)) == 1 + 3


def test_a_failure_waits_for_no_request_and_begins_none(server: ScriptedServer, client: WeChatClient) -> None:
    gate = Gate()
    server.on(DAILY.path, hold_all_but_the_first(gate, FORBIDDEN))

    with pytest.raises(AskPermissionError):
        next(client.fetch_many(DAILY, days(10_000), max_concurrency=3))

    gate.open()
    end_threads_of_a_fetch()
    assert len(server.asked(DAILY.path)) <= 1 + 3


def threads_of_a_fetch() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("wechat_")]


def end_threads_of_a_fetch() -> None:
    for thread in threads_of_a_fetch():
        thread.join(timeout=10)
        assert not thread.is_alive()
