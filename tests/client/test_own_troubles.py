"""Whatever troubles WeChat itself has, a call ends in its rows, or in the error that is documented for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import (
    FixCredentialsError,
    FixRequestError,
    RenewTokenError,
    TryAgainError,
    WaitForDataError,
    WaitForQuotaError,
    WeChatError,
)
from airflow_wechat.client.periods import Period, periods_between
from airflow_wechat.client.reports import Row
from airflow_wechat.client.token_sources.forced import ForcedRefreshes
from airflow_wechat.client.token_sources.stable import StableToken
from airflow_wechat.sandbox.calls import Call
from airflow_wechat.sandbox.server import utc_now
from client.documented import PAIRS, RETRYABLE
from client.examined import refusal
from client.own_troubles import (
    BUSY,
    DAYS,
    HOUR,
    SELF_RENEWING,
    TRIES,
    WRONG,
    dead_for_good,
    dead_until_forced,
    taking_over,
)
from client.sandboxed import AUTHORIZER, CLASSIC, DAILY, STABLE, HandClock, client_by
from client.troubled import Storm, TroubledSandbox, client_of_process
from proof.figures import figure, trial

PART = "WeChat's own troubles"
DAY = DAYS[0]

thoroughly = pytest.mark.parametrize(
    "step", [pytest.param(5, marks=pytest.mark.quick_proof), pytest.param(1, marks=pytest.mark.proof)]
)
"""After every call, or for a quick look after one of so many."""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's workers share is this test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def sandbox(clock: HandClock) -> Iterator[TroubledSandbox]:
    with TroubledSandbox(clock=clock, sealed="optional") as running:
        yield running


def rows_of(client: WeChatClient, periods: list[Period], **options: Any) -> list[Any]:
    return [row for one in client.fetch_many(DAILY, periods, **options) for row in one.rows]


# The whole table of errcodes

ANSWERED = {
    "a report": ("stable", DAILY.path),
    "stable_token": ("stable", STABLE),
    "token": ("classic", CLASSIC),
    "api_authorizer_token": ("authorizer", AUTHORIZER),
}


@pytest.mark.quick_proof
@pytest.mark.parametrize("call", ANSWERED)
def test_every_errcode_ends_in_its_documented_error(sandbox: TroubledSandbox, call: str) -> None:
    road, path = ANSWERED[call]
    takes_secret = path in {STABLE, CLASSIC}

    with figure(PART, f"each errcode in answer to {call} ends in its documented error, soon") as counted:
        for errcode, error in PAIRS:
            sandbox.instead = lambda asked, errcode=errcode: refusal(errcode) if asked.path == path else None  # type: ignore[misc]
            before = sandbox.asked(path)
            with counted.trial(errcode):
                with pytest.raises(WeChatError) as caught:
                    client_by(road, sandbox).fetch(DAILY, DAY)
                expected = FixCredentialsError if takes_secret and errcode == 40001 else error
                assert type(caught.value) is expected
                assert caught.value.retryable is RETRYABLE[expected]
                assert sandbox.asked(path) - before <= (TRIES if expected is TryAgainError else 2)


# Tokens that end


@thoroughly
@pytest.mark.parametrize("road", SELF_RENEWING)
def test_a_token_that_ends_anywhere_in_a_range_is_renewed_unseen(road: str, step: int) -> None:
    what = "all tokens ended after any call of a range: the range comes whole"
    with figure(PART, what) as counted:
        for ending in range(1, len(DAYS) + 2, step):
            with TroubledSandbox(publish_hour=0, sealed="optional") as sandbox, counted.trial((road, ending)):
                sandbox.after_call(ending, sandbox.end_tokens)
                sandbox.check_rows(rows_of(client_by(road, sandbox), DAYS), DAYS)
                assert len(sandbox.requests) <= 2 * len(DAYS) + 6
                assert sandbox.forced_at() == []


@thoroughly
def test_another_service_takes_the_classic_token_after_any_call(clock: HandClock, step: int) -> None:
    what = "another service takes the classic token after any call of a range: the range comes whole"
    with figure(PART, what) as counted:
        for moment in range(1, len(DAYS) + 2, step):
            with TroubledSandbox(clock=clock) as sandbox, counted.trial(moment):
                sandbox.after_call(moment, partial(taking_over, sandbox, clock))
                sandbox.check_rows(rows_of(client_by("classic", sandbox), DAYS), DAYS)
                assert sandbox.asked(CLASSIC) <= 2


@pytest.mark.quick_proof
def test_another_service_takes_the_classic_token_after_each_report(
    sandbox: TroubledSandbox, clock: HandClock
) -> None:
    reports = 0

    def after(_: int) -> None:
        nonlocal reports
        if sandbox.asked(DAILY.path) > reports and sandbox.requests[-1].answered == 0:
            taking_over(sandbox, clock)
        reports = sandbox.asked(DAILY.path)

    sandbox.after = after
    with trial(PART, "another service takes the classic token after each report: the range comes whole"):
        rows = rows_of(client_by("classic", sandbox), DAYS, max_concurrency=1)
        sandbox.check_rows(rows, DAYS)
        assert sandbox.asked(CLASSIC) <= len(DAYS) + 1


@pytest.mark.quick_proof
def test_another_service_takes_the_classic_token_after_each_call(
    sandbox: TroubledSandbox, clock: HandClock
) -> None:
    sandbox.after = lambda _: taking_over(sandbox, clock)

    with trial(PART, "another service takes the classic token after each call: an error that says so, soon"):
        with pytest.raises(RenewTokenError, match="another service makes tokens") as caught:
            rows_of(client_by("classic", sandbox), DAYS)
        assert caught.value.retryable
        assert sandbox.asked(CLASSIC) <= 2 + 2 * 8  # of the first sixteen periods each renews once at most


@pytest.mark.quick_proof
def test_a_dead_stable_token_is_forced_no_more_often_in_a_day_than_wechat_allows(
    sandbox: TroubledSandbox, clock: HandClock, tmp_path: Path
) -> None:
    """WeChat: 20 times a day, at least 30 seconds apart."""
    forced: list[float] = []
    dead = dead_for_good("68_dead")

    def answers(call: Call) -> Any:
        if b'"force_refresh":true' in call.body:
            forced.append(clock().timestamp())
        return dead(call)

    sandbox.instead = answers
    clock.set("2026-11-23T00:00:00+08:00")
    client = client_by("stable", sandbox)
    assert isinstance(client._tokens, StableToken)
    client._tokens._given_forced = ForcedRefreshes(tmp_path / "forced", lambda: clock().timestamp())

    what = "stable_token answers the dead token, from midnight to midnight: forced as often as WeChat allows"
    with figure(PART, what) as counted:
        for wait in (*[20] * 90, *[600] * 140):
            with counted.trial(clock()):
                with pytest.raises(RenewTokenError):
                    client.fetch(DAILY, DAY)
                assert len(forced) <= 20
                assert all(later - earlier >= 30 for earlier, later in pairwise(forced))
            clock.turn_on(wait)
        assert len(forced) == 20


# A busy WeChat


@pytest.mark.quick_proof
@pytest.mark.parametrize("path", [DAILY.path, STABLE], ids=["report", "token"])
def test_a_burst_is_got_over_where_it_is_short(sandbox: TroubledSandbox, path: str) -> None:
    short = figure(PART, "a burst of fewer busy answers than tries is got over")
    long = figure(PART, "a longer burst of busy answers ends in an error that a retry may mend")
    with short as got_over, long as given_up:
        for name, answer in BUSY.items():
            for length in range(1, TRIES + 1):
                sandbox.answer_next(path, *[answer] * length)
                before = sandbox.asked(path)
                with (got_over if length < TRIES else given_up).trial((name, length)):
                    client = client_by("stable", sandbox)
                    if length < TRIES:
                        sandbox.check_rows(client.fetch(DAILY, DAY), [DAY])
                        assert sandbox.asked(path) - before == length + 1
                    else:
                        with pytest.raises(TryAgainError) as caught:
                            client.fetch(DAILY, DAY)
                        assert caught.value.retryable
                        assert sandbox.asked(path) - before == TRIES


@pytest.mark.quick_proof
@pytest.mark.parametrize("path", [DAILY.path, STABLE], ids=["report", "token"])
@pytest.mark.parametrize("errcode", [45009, 44990, 44993])
def test_a_quota_that_is_used_up_is_asked_no_more(sandbox: TroubledSandbox, path: str, errcode: int) -> None:
    sandbox.answer_next(path, refusal(errcode))

    with trial(PART, "a quota that is used up is not asked again, and the error says when"):
        with pytest.raises(WaitForQuotaError, match="tomorrow, Beijing time") as caught:
            client_by("stable", sandbox).fetch(DAILY, DAY)
        assert caught.value.retryable
        assert sandbox.asked(path) == 1


@pytest.mark.parametrize(
    "rounds", [pytest.param(3, marks=pytest.mark.quick_proof), pytest.param(60, marks=pytest.mark.proof)]
)
def test_a_wechat_that_is_busy_at_random_says_nothing_false(clock: HandClock, rounds: int) -> None:
    shares = {
        "-1": 0.15,
        "61504": 0.1,
        "45011": 0.1,
        "45009": 0.01,
        "http503": 0.05,
        "drop": 0.05,
        "61503": 0.02,
    }
    with figure(PART, "each period of a range that a random burst may end: WeChat's row, or none") as counted:
        for seed in range(rounds):
            with TroubledSandbox(clock=clock, failures=shares, seed=seed) as sandbox:
                came = []
                with suppress(TryAgainError, WaitForQuotaError):
                    came += client_by("stable", sandbox).fetch_many(DAILY, DAYS)
                for one in came:
                    with counted.trial((seed, one.period)):
                        sandbox.check_rows(one.rows, [] if one.not_ready else [one.period])


# Late, and by another clock


@pytest.mark.quick_proof
def test_a_period_that_is_not_ready_for_two_days_is_waited_for(
    sandbox: TroubledSandbox, clock: HandClock
) -> None:
    clock.set("2026-11-23T08:00:00+08:00")
    [yesterday] = periods_between(DAILY.granularity, date(2026, 11, 22), date(2026, 11, 22))
    times = 2 * 24 * 4
    sandbox.answer_next(DAILY.path, *[refusal(61503)] * times)
    client = client_by("stable", sandbox)

    with figure(
        PART, "not ready for two days, asked every quarter of an hour: told so, by one call"
    ) as counted:
        for number in range(times):
            with counted.trial(number):
                with pytest.raises(WaitForDataError) as caught:
                    client.fetch(DAILY, yesterday)
                assert caught.value.retryable and not caught.value.empty
                assert sandbox.asked(DAILY.path) == number + 1
            clock.turn_on(900)
        sandbox.check_rows(client.fetch(DAILY, yesterday), [yesterday])


@pytest.mark.quick_proof
def test_a_machine_whose_clock_is_wrong_by_hours_gets_the_same_rows(
    machines_clock: Callable[[float], None],
) -> None:
    with (
        TroubledSandbox(cloud_run=True, publish_hour=0) as sandbox,
        figure(
            PART, "this machine's clock wrong by hours: the same rows, and the difference is known"
        ) as counted,
    ):
        for road in SELF_RENEWING:
            for seconds in WRONG if road != "sealed" else []:
                machines_clock(seconds)
                with counted.trial((road, seconds)):
                    client = client_by(road, sandbox)
                    sandbox.check_rows(rows_of(client, DAYS[:2]), DAYS[:2])
                    assert client.clock_ahead == pytest.approx(seconds, abs=5)
                machines_clock(0)
                with counted.trial((road, seconds, "set right, the token ended")):
                    sandbox.end_tokens()
                    sandbox.check_rows(rows_of(client_by(road, sandbox), DAYS[:2]), DAYS[:2])


@pytest.mark.quick_proof
def test_a_sealed_call_by_a_clock_that_is_wrong_by_hours_says_so(
    machines_clock: Callable[[float], None],
) -> None:
    with (
        TroubledSandbox(sealed=True, publish_hour=0) as sandbox,
        figure(
            PART, "a sealed call by a clock that is wrong by hours: an error that names the clock"
        ) as counted,
    ):
        for seconds in WRONG:
            machines_clock(seconds)
            with (
                counted.trial(seconds),
                pytest.raises(FixRequestError, match=r"40240.*set the machine's clock"),
            ):
                client_by("sealed", sandbox).fetch(DAILY, DAY)


@pytest.mark.quick_proof
@pytest.mark.parametrize("hours", [-49, -13, -1, 1, 13, 49])
def test_a_wechat_whose_clock_is_wrong_by_hours_says_the_same(hours: int) -> None:
    with (
        TroubledSandbox(clock=lambda: utc_now() + timedelta(hours=hours), publish_hour=0) as sandbox,
        trial(PART, "WeChat's clock wrong by hours: the same rows, and the difference is known"),
    ):
        client = client_by("stable", sandbox)
        sandbox.check_rows(rows_of(client, DAYS), DAYS)
        assert client.clock_ahead == pytest.approx(-hours * HOUR, abs=5)
        assert sandbox.asked(STABLE) == 1


# A storm

SIZES = pytest.mark.parametrize(
    ("processes", "threads"),
    [pytest.param(4, 8, marks=pytest.mark.quick_proof), pytest.param(16, 64, marks=pytest.mark.proof)],
)


def rage(
    sandbox: TroubledSandbox, road: str, periods: list[Period], *, processes: int, threads: int
) -> list[list[Row] | str]:
    clients = partial(client_of_process, sandbox, road)
    results = Storm(clients, processes=processes, threads=threads).rage(periods)
    assert len(results) == processes * threads
    return results


def gets_rows(sandbox: TroubledSandbox, periods: list[Period], result: list[Row] | str) -> None:
    assert not isinstance(result, str), result
    sandbox.check_rows(result, periods)


@SIZES
@pytest.mark.parametrize("road", ["stable", "classic", "token_server", "authorizer"])
def test_in_a_storm_each_process_asks_for_one_token_at_a_time(
    road: str, processes: int, threads: int
) -> None:
    with TroubledSandbox(latency=0.02, publish_hour=0) as sandbox:
        results = rage(sandbox, road, DAYS[:2], processes=processes, threads=threads)

        with figure(PART, f"a storm of {processes} x {threads} threads: each gets its rows") as counted:
            for number, result in enumerate(results):
                with counted.trial(number):
                    gets_rows(sandbox, DAYS[:2], result)
        what = f"a storm of {processes} x {threads}: one token call under way a process"
        with figure(PART, what) as counted:
            for asker, most in sandbox.most_at_once.items():
                with counted.trial((road, asker, most)):
                    assert asker.startswith("process ") and most == 1
        assert len(sandbox.most_at_once) == (1 if road == "classic" else processes)


def is_told(sandbox: TroubledSandbox, periods: list[Period], result: list[Row] | str) -> None:
    assert str(result).startswith("RenewTokenError"), (sandbox, periods, result)


@SIZES
@pytest.mark.parametrize(
    ("dead", "fate", "check"),
    [
        (dead_until_forced, "on a dead token, forced once: each gets its rows", gets_rows),
        (
            lambda *_: dead_for_good("68_dead"),
            "on a token that stays dead, not forced again within 30 s: each is told",
            is_told,
        ),
    ],
    ids=["until forced", "for good"],
)
def test_in_a_storm_on_a_dead_stable_token_force_is_used_as_wechat_allows(
    dead: Any, fate: str, check: Any, processes: int, threads: int
) -> None:
    with TroubledSandbox(latency=0.02, publish_hour=0) as sandbox:
        sandbox.instead = dead(sandbox, processes)
        results = rage(sandbox, "stable", DAYS[:2], processes=processes, threads=threads)

        with figure(PART, f"a storm of {processes} x {threads} threads {fate}") as counted:
            for number, result in enumerate(results):
                with counted.trial(number):
                    check(sandbox, DAYS[:2], result)
            forced = sandbox.forced_at()
            assert forced and all(later - earlier >= 30 for earlier, later in pairwise(forced))
        assert max(sandbox.most_at_once.values()) == 1
