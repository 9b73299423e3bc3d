"""No secret is told while WeChat has troubles of its own, on whatever road."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_wechat.client.client import Fetched, WeChatClient
from airflow_wechat.client.errors import WeChatError
from airflow_wechat.sandbox.calls import Call
from airflow_wechat.sandbox.roads import ROADS
from canaries import Canaries
from client.guarded import (
    OWN_FOLDER,
    PLACES,
    Told,
    ask,
    client_on,
    every_road,
    only_at,
    refused,
    some,
    thoroughly,
)
from client.own_troubles import (
    BUSY,
    DAYS,
    SELF_RENEWING,
    TRIES,
    WRONG,
    dead_for_good,
    dead_until_forced,
    some_of,
    taking_over,
)
from client.sandboxed import DAILY, HandClock
from client.through_line import PATIENT
from client.troubled import Answers, TroubledSandbox, at_once
from proof.figures import figure

PART = "secrets"
FORCING = ("stable", "cloud_function", "sealed")
"""The roads with ``stable_token``, which alone can be forced."""
THREADS = 32
AMID = range(2, len(DAYS) - 1)
"""Calls of a range for which its token is there, and another call to come even where two are under way."""


@pytest.fixture
def sandbox(guarded: TroubledSandbox) -> TroubledSandbox:
    return guarded


def ask_for_all(client: WeChatClient, **options: int) -> tuple[list[Fetched], tuple[WeChatError, ...]]:
    """Ask for a range, and give what came and what went wrong, when no request is under way any more."""
    came: list[Fetched] = []
    errors: list[WeChatError] = []
    try:
        came += client.fetch_many(DAILY, DAYS, **options)
    except WeChatError as error:
        errors.append(error)
    for thread in threading.enumerate():
        if thread.name.startswith("wechat"):
            thread.join(PATIENT)
    return came, (*errors, *(one.not_ready for one in came if one.not_ready))


def forget_shared_token(folder: Path) -> None:
    """Let no other worker of this machine have a classic token."""
    for file in folder.glob(f"{OWN_FOLDER}*/*"):
        file.unlink()


def refusals(sandbox: TroubledSandbox) -> int:
    """Tell how many calls WeChat has refused so far."""
    return sum(request.answered != 0 for request in sandbox.requests)


@thoroughly(5)
@pytest.mark.parametrize("errcode", [45009, 61503], ids=["quota", "not ready"])
def test_no_range_that_is_refused_in_the_middle_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, road: str, errcode: int, step: int
) -> None:
    refuses = only_at("report", partial(refused, errcode))
    what = "the quota ended, or days not ready"
    with figure(PART, f"{what}, after any report of a range, on each road") as counted:
        for good in some(range(1, len(DAYS)), road, step):
            sandbox.instead = some_of(refuses, begin=good)
            with counted.trial((road, good)):
                client = client_on(road, sandbox, sandbox.url)
                came, errors = ask_for_all(client)
                assert len(errors) == (1 if errcode == 45009 else len(DAYS) - good)
                told.check(came, client, vars(client), errors=errors)


@thoroughly(5, [road for road in ROADS if road != "cloud_run"])
def test_no_token_that_ends_in_the_middle_of_a_range_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, road: str, step: int
) -> None:
    with figure(PART, "all tokens ended after any call of a range, on each road with tokens") as counted:
        for moment in some(AMID, road, step):
            with counted.trial((road, moment)):
                client, before = client_on(road, sandbox, sandbox.url), refusals(sandbox)
                sandbox.after_call(moment, sandbox.end_tokens)
                came, errors = ask_for_all(client, max_concurrency=2)
                assert refusals(sandbox) > before
                assert bool(errors) is (road == "supplied")
                told.check(came, client, vars(client), errors=errors)


@pytest.mark.quick_proof
def test_no_classic_token_that_another_service_takes_over_tells_itself(
    sandbox: TroubledSandbox, told: Told, clock: HandClock
) -> None:
    sandbox.clock = clock
    take_over = partial(taking_over, sandbox, clock)
    with figure(PART, "another service takes the classic token, after any call or after each") as counted:
        for moment in AMID:
            with counted.trial(moment):
                client, before = client_on("classic", sandbox, sandbox.url), refusals(sandbox)
                sandbox.after_call(moment, take_over)
                came, errors = ask_for_all(client, max_concurrency=2)
                assert refusals(sandbox) > before and not errors
                told.check(came, client, vars(client))
        with counted.trial("each"):
            client = client_on("classic", sandbox, sandbox.url)
            sandbox.after = lambda _: take_over()
            came, errors = ask_for_all(client)
            assert "another service makes tokens" in str(*errors)
            told.check(came, client, vars(client), errors=errors)


@pytest.mark.quick_proof
@pytest.mark.parametrize("road", FORCING)
def test_no_forced_refresh_tells_a_secret(sandbox: TroubledSandbox, told: Told, road: str) -> None:
    sandbox.instead = dead_until_forced(sandbox, processes=1)
    with (
        figure(PART, "stable_token gives the dead token until it is forced, on each road with it") as counted,
        counted.trial(road),
    ):
        client = client_on(road, sandbox, sandbox.url)
        rows, errors = ask(client)
        assert rows and len(sandbox.forced_at()) == 1
        told.check(rows, client, vars(client), errors=errors)


@pytest.mark.quick_proof
@pytest.mark.parametrize("road", SELF_RENEWING)
def test_no_dead_token_that_is_given_again_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, canaries: Canaries, road: str
) -> None:
    sandbox.instead = dead_for_good(canaries("dead"))
    with figure(
        PART, "a dead token given again for good, forced or not, on each road that asks for one"
    ) as counted:
        for number in range(2):  # the second time it may not be forced yet
            with counted.trial((road, number)):
                client = client_on(road, sandbox, sandbox.url)
                rows, errors = ask(client)
                assert errors
                assert len(sandbox.forced_at()) == (1 if road in FORCING else 0)
                told.check(rows, client, vars(client), errors=errors)


@pytest.mark.quick_proof
@pytest.mark.parametrize(("road", "place"), PLACES)
@pytest.mark.parametrize("length", [TRIES - 1, math.inf], ids=["short", "long"])
def test_no_busy_burst_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, tmp_path: Path, road: str, place: str, length: float
) -> None:
    def answers(busy: Any, call: Call) -> Any:
        return refused(busy["errcode"], call) if isinstance(busy, dict) else busy

    with figure(PART, "a burst of busy answers, short or long, on each road") as counted:
        for name, busy in BUSY.items():
            sandbox.instead = some_of(only_at(place, partial(answers, busy)), end=length)
            forget_shared_token(tmp_path)
            with counted.trial((road, name)):
                client, before = client_on(road, sandbox, sandbox.url, tries=TRIES), refusals(sandbox)
                came, errors = ask_for_all(client)
                assert refusals(sandbox) > before
                assert errors or length < TRIES
                told.check(came, client, vars(client), errors=errors)


@pytest.mark.quick_proof
@every_road
def test_no_clock_that_is_wrong_has_a_secret_told(
    sandbox: TroubledSandbox, told: Told, machines_clock: Callable[[float], None], road: str
) -> None:
    with figure(PART, "this machine's clock wrong by hours, on each road") as counted:
        for seconds in WRONG:
            machines_clock(seconds)
            with counted.trial((road, seconds)):
                client = client_on(road, sandbox, sandbox.url)
                rows, errors = ask(client)
                assert client.clock_ahead == pytest.approx(seconds, abs=5)
                assert ("set the machine's clock" in str(*errors)) is (road == "sealed")
                told.check(rows, client, vars(client), errors=errors)


@pytest.mark.quick_proof
def test_no_sealed_answer_of_another_hour_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, machines_clock: Callable[[float], None]
) -> None:
    with figure(PART, "this machine's clock wrong by hours when a sealed answer comes") as counted:
        for seconds in WRONG:
            with counted.trial(seconds):
                client = client_on("sealed", sandbox, sandbox.url)
                client._tokens.token()
                machines_clock(0)
                sandbox.after_call(1, partial(machines_clock, seconds))
                rows, errors = ask(client)
                assert "WeChat's clock is" in str(*errors)
                told.check(rows, client, vars(client), errors=errors)


@pytest.mark.quick_proof
@every_road
def test_no_storm_tells_a_secret(sandbox: TroubledSandbox, told: Told, road: str) -> None:
    with figure(PART, f"a storm of {THREADS} threads, whatever WeChat says, on each road") as counted:
        for name, answers in storms(sandbox, road).items():
            sandbox.instead = answers
            with counted.trial((road, name)):
                client = client_on(road, sandbox, sandbox.url)
                results = at_once(THREADS, partial(ask, client))
                came = [rows for rows, _ in results if rows]
                assert bool(came) is not name.startswith("each")
                told.check(
                    came, client, vars(client), errors=tuple(e for _, errors in results for e in errors)
                )


def storms(sandbox: TroubledSandbox, road: str) -> Mapping[str, Answers]:
    """What WeChat says to all who ask at once."""
    said: dict[str, Answers] = {
        "nothing is wrong": lambda _: None,
        "some are busy": some_of(only_at("report", partial(refused, -1)), end=9),
        "each is busy": partial(refused, -1),
        "each has no quota": partial(refused, 45009),
    }
    if road in FORCING:
        said["a dead token"] = dead_until_forced(sandbox, processes=1)
    return said
