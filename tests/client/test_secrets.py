"""No secret is told, whatever goes wrong on whatever road: by no log, no exception, no object, no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import WeChatError
from airflow_wechat.sandbox.calls import Call
from airflow_wechat.sandbox.roads import ROADS
from bad_line import BadLine, Fault
from canaries import Canaries
from client.documented import PAIRS
from client.guarded import ECHOES, PLACES, Told, client_on, guarded_sandbox, is_at, listening, refused
from client.line_faults import CASES, PERIOD
from client.sandboxed import DAILY
from client.through_line import PATIENT, SHORT, address_of
from client.troubled import TroubledSandbox
from proof.figures import figure

PART = "secrets"
QUICK = ("stable", "classic")

every_road = pytest.mark.parametrize("road", ROADS)
thoroughly = pytest.mark.parametrize(
    ("road", "step"),
    [
        *(pytest.param(road, 15, marks=pytest.mark.quick_proof) for road in QUICK),
        *(pytest.param(road, 1, marks=pytest.mark.proof) for road in ROADS),
    ],
)
"""Everything on every road, or for a quick look one of so many on two of them."""


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def sandbox(canaries: Canaries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TroubledSandbox]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with guarded_sandbox(canaries, monkeypatch, tmp_path) as running:
        yield running


@pytest.fixture
def told(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Told]:
    with listening(canaries, monkeypatch, capfd, tmp_path) as running:
        yield running


def some(things: Iterable[Any], road: str, step: int) -> list[Any]:
    """Return one of so many things, others on each road."""
    return list(things)[list(ROADS).index(road) % step :: step]


def ask(client: WeChatClient) -> tuple[Any, tuple[WeChatError, ...]]:
    """Ask for days, and give what came: rows, or an error."""
    try:
        return client.fetch(DAILY, PERIOD), ()
    except WeChatError as error:
        return None, (error,)


@pytest.mark.quick_proof
@every_road
def test_a_road_that_is_good_tells_nothing(sandbox: TroubledSandbox, told: Told, road: str) -> None:
    with figure(PART, "a road that is good, its token ended, and tried again") as counted:
        client = client_on(road, sandbox, sandbox.url, tries=4)
        for name, before in (("good", lambda: None), ("ended", sandbox.end_tokens), ("again", lambda: None)):
            with counted.trial(name):
                before()
                rows, errors = ask(client)
                assert rows or (road == "supplied" and name != "good")
                told.check(rows, client, vars(client), errors=errors)


@pytest.mark.parametrize(
    ("road", "place", "step"),
    [
        *(pytest.param(*at, 15, marks=pytest.mark.quick_proof) for at in PLACES if at[0] in QUICK),
        *(pytest.param(*at, 1, marks=pytest.mark.proof) for at in PLACES),
    ],
)
def test_no_errcode_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, road: str, place: str, step: int
) -> None:
    def answers(errcode: int, call: Call) -> Any:
        return refused(errcode, call) if is_at(place, call) else None

    with figure(PART, "each errcode, with all that was sent in its words, on each road") as counted:
        for errcode, _ in some(PAIRS, road, step):
            sandbox.instead = partial(answers, errcode)
            with counted.trial((road, errcode)):
                client = client_on(road, sandbox, sandbox.url)
                rows, errors = ask(client)
                assert errors
                told.check(rows, client, errors=errors)


@pytest.mark.quick_proof
@pytest.mark.parametrize(("road", "place"), PLACES)
def test_no_answer_that_repeats_what_was_sent_tells_it(
    sandbox: TroubledSandbox, told: Told, road: str, place: str
) -> None:
    def answers(name: str, call: Call) -> Any:
        return ECHOES[name](call) if is_at(place, call) else None

    with figure(PART, "an answer that repeats all that was sent, in each way, on each road") as counted:
        for name in ECHOES:
            sandbox.instead = partial(answers, name)
            with counted.trial((road, name)):
                client = client_on(road, sandbox, sandbox.url)
                rows, errors = ask(client)
                told.check(rows, client, errors=errors)


@thoroughly
@pytest.mark.parametrize("has_token", [False, True], ids=["first call", "report"])
def test_no_fault_of_the_line_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, road: str, has_token: bool, step: int
) -> None:
    names = list(CASES)[list(ROADS).index(road) % step :: step]
    with (
        BadLine(address_of(sandbox)) as line,
        figure(
            PART, "each fault of a bad line, at the first call and at the report, on each road"
        ) as counted,
    ):
        for name in names:
            case = CASES[name]
            with counted.trial((road, name)):
                timeout = SHORT if case.stalls else PATIENT
                client = client_on(road, sandbox, line.url, timeout=str(PATIENT if has_token else timeout))
                transport = client._transport
                line.treat(Fault())
                if has_token:
                    client._tokens.token()
                    transport._session.close()
                    transport._network = replace(transport._network, timeout=timeout)
                line.treat(case.fault, ever=True)
                rows, errors = ask(client)
                told.check(rows, client, errors=errors)


@pytest.mark.quick_proof
@every_road
def test_no_host_that_is_not_there_tells_a_secret(sandbox: TroubledSandbox, told: Told, road: str) -> None:
    with figure(PART, "a host that nobody knows, or where nobody listens, on each road") as counted:
        for url in ("http://127.0.0.1:9", "https://127.0.0.1:9", "https://wechat.invalid"):
            with counted.trial((road, url)):
                client = client_on(road, sandbox, url)
                rows, errors = ask(client)
                assert errors
                told.check(rows, client, errors=errors, heard=url.startswith("http:"))
