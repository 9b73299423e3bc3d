"""No secret is told, whatever goes wrong on whatever road: by no log, no exception, no object, no file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from urllib.parse import quote

import pytest

from airflow_wechat.client.client import WeChatClient
from bad_line import BadLine, Fault
from canaries import Canaries
from client.documented import PAIRS
from client.guarded import (
    ECHOES,
    PLACES,
    QUICK,
    Told,
    ask,
    client_on,
    every_road,
    only_at,
    refused,
    some,
    thoroughly,
)
from client.line_faults import CASES, PROXIES
from client.through_line import OTHERS, PATIENT, SHORT, address_of, behind_proxy, certified
from client.troubled import TroubledSandbox
from proof.figures import figure

PART = "secrets"


@pytest.fixture
def sandbox(guarded: TroubledSandbox) -> TroubledSandbox:
    return guarded


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
    with figure(PART, "each errcode, with all that was sent in its words, on each road") as counted:
        for errcode, _ in some(PAIRS, road, step):
            sandbox.instead = only_at(place, partial(refused, errcode))
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
    with figure(PART, "an answer that repeats all that was sent, in each way, on each road") as counted:
        for name, echo in ECHOES.items():
            sandbox.instead = only_at(place, echo)
            with counted.trial((road, name)):
                client = client_on(road, sandbox, sandbox.url)
                rows, errors = ask(client)
                told.check(rows, client, errors=errors)


@thoroughly(15)
@pytest.mark.parametrize("has_token", [False, True], ids=["first call", "report"])
def test_no_fault_of_the_line_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, road: str, has_token: bool, step: int
) -> None:
    names = some(CASES, road, step)
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


def certified_for(name: str, stack: ExitStack, sandbox: TroubledSandbox) -> tuple[str, str]:
    """Put the sandbox behind a certificate; give its address, and a file that vouches for that."""
    context, ca_bundle = stack.enter_context(certified(name))
    return stack.enter_context(BadLine(address_of(sandbox), context)).url, ca_bundle


def with_token_of(client: WeChatClient, other: WeChatClient) -> WeChatClient:
    """Let a client have a token already, by another line."""
    other._tokens.token()
    client._tokens = other._tokens
    return client


@pytest.mark.quick_proof
@every_road
@pytest.mark.parametrize("has_token", [False, True], ids=["first call", "report"])
def test_no_certificate_that_does_not_match_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, road: str, has_token: bool
) -> None:
    with figure(PART, "a certificate that does not match, on each road") as counted:
        for name in OTHERS:
            with counted.trial((road, name)), ExitStack() as stack:
                url, ca_bundle = certified_for(name, stack, sandbox)
                client = client_on(road, sandbox, url, ca_bundle=ca_bundle)
                if has_token:
                    with_token_of(client, client_on(road, sandbox, sandbox.url))
                rows, errors = ask(client)
                assert "certificate" in str(*errors)
                told.check(rows, client, vars(client), errors=errors)


def repeating(user_and_password: str) -> Mapping[str, Fault]:
    """Let a proxy say what it was sent, in the words with which it refuses."""
    sent = base64.b64encode(user_and_password.encode()).decode()
    return {
        status: Fault(instead=f"HTTP/1.1 {status} {user_and_password} Basic {sent}\r\n\r\n".encode())
        for status in ("407", "502")
    }


@thoroughly(3)
@pytest.mark.parametrize("has_token", [False, True], ids=["first call", "report"])
def test_no_fault_of_a_proxy_tells_a_secret(
    sandbox: TroubledSandbox, told: Told, canaries: Canaries, road: str, has_token: bool, step: int
) -> None:
    password = canaries("proxy")
    faults = PROXIES | repeating(f"user:{password}")
    with (
        behind_proxy(sandbox) as (url, ca_bundle, proxy),
        figure(PART, "a proxy that wants a password and goes wrong, in each way, on each road") as counted,
    ):
        own = proxy.url.replace("//", f"//user:{quote(password, safe='')}@")
        for name in some(faults, road, step):
            with counted.trial((road, name)):
                proxy.treat(faults[name], ever=True)
                client = client_on(road, sandbox, url, ca_bundle=ca_bundle, proxy=own, timeout=str(SHORT))
                if has_token:
                    with_token_of(client, client_on(road, sandbox, sandbox.url))
                rows, errors = ask(client)
                assert errors
                told.check(rows, client, vars(client), errors=errors)
