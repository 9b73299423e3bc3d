"""Whatever the line does, a request ends in time: in WeChat's own answer, or in a documented error."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from airflow_wechat.client.errors import CheckAnswerError, TryAgainError, WeChatError
from airflow_wechat.client.transport import Network, Transport
from airflow_wechat.sandbox import Sandbox
from bad_line import BadLine, Fault
from client.line_faults import AGES, CASES, DRIP, JSON, PERIOD, PROXIES, Case, http
from client.sandboxed import DAILY
from client.scripted import hanging_up, serving
from client.through_line import OTHERS, PATIENT, SHORT, Asker, address_of, behind_proxy, certified
from proof.figures import trial

PART = "bad line"
SLACK = 15.0
"""Seconds that a busy machine may take on top of a bound; without the bound it would be a minute or more."""
TRIES = 3

pytestmark = pytest.mark.quick_proof


@pytest.fixture
def line(sandbox: Sandbox) -> Iterator[BadLine]:
    with BadLine(address_of(sandbox)) as running:
        yield running


@pytest.fixture
def asker(sandbox: Sandbox, line: BadLine) -> Asker:
    return Asker(sandbox, line.url)


def cases(*errors: type[WeChatError] | None) -> pytest.MarkDecorator:
    chosen = {name: case for name, case in CASES.items() if case.error in errors}
    return pytest.mark.parametrize("case", chosen.values(), ids=list(chosen))


@cases(TryAgainError, CheckAnswerError)
def test_a_fault_that_stays_ends_in_its_documented_error_in_time(
    line: BadLine, asker: Asker, case: Case
) -> None:
    line.treat(case.fault, ever=True)
    timeout = SHORT if case.stalls else PATIENT

    with trial(PART, "a fault that stays ends in its documented error, in time"):
        began = time.monotonic()
        with pytest.raises(WeChatError) as caught:
            asker.row(timeout=timeout, tries=TRIES)
        assert time.monotonic() - began < (TRIES * timeout if case.stalls else 0) + SLACK
        assert type(caught.value) is case.error
        assert caught.value.path == DAILY.path
        assert line.connections == (TRIES if case.error is TryAgainError else 1)
        asker.check_error(caught.value)


def test_with_the_longest_waits_a_call_ends_in_the_time_that_is_stated(
    line: BadLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the time-out and 3.5 seconds: docs/connection.md."""
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    line.treat(CASES["silent"].fault, ever=True)
    transport = Transport(line.url, Network(timeout=SHORT))

    with trial(PART, "with all its tries and the longest waits a call ends within 4 × its time-out + 3.5 s"):
        began = time.monotonic()
        with pytest.raises(TryAgainError):
            transport.post(DAILY.path, {})
        assert 4 * SHORT + 3.5 <= time.monotonic() - began < 4 * SHORT + 3.5 + SLACK / 5
        assert line.connections == 4


def test_what_is_no_http_is_called_so(line: BadLine, asker: Asker) -> None:
    line.treat(CASES["a chunk of a negative size"].fault, ever=True)

    with pytest.raises(TryAgainError, match=f"^from {DAILY.path}: an answer that is no HTTP. What"):
        asker.row(tries=1)


def test_an_answer_that_ends_amid_its_headers_is_called_so(line: BadLine, asker: Asker) -> None:
    line.treat(CASES["hung up amid headers"].fault, ever=True)

    with pytest.raises(TryAgainError, match=r"\('Remote end closed connection amid headers'\)"):
        asker.row(tries=1)


@cases(TryAgainError)
def test_a_fault_that_passes_is_got_over(line: BadLine, asker: Asker, case: Case) -> None:
    line.treat(case.fault)

    with trial(PART, "a fault that passes is got over by asking again"):
        row = asker.row(timeout=2 * SHORT if case.stalls else PATIENT, tries=4)
        asker.check_row(row)
        assert line.connections > 1


@cases(None)
def test_an_odd_line_that_harms_nothing_is_passed_over(line: BadLine, asker: Asker, case: Case) -> None:
    line.treat(case.fault, ever=True)

    with trial(PART, "an odd answer that harms nothing is read like any other"):
        asker.check_row(asker.row())
        assert line.connections == 1


ENDLESS = ["a body without end", "a body of 100 MB", "gzip of 100 MB", "trailers without end"]


@pytest.mark.parametrize("name", ENDLESS)
def test_of_an_answer_without_end_little_is_taken(line: BadLine, asker: Asker, name: str) -> None:
    line.treat(CASES[name].fault, ever=True)

    with trial(PART, "of an answer without end no more than 32 MB are sent before we hang up"):
        with pytest.raises(CheckAnswerError, match="more than"):
            asker.row()
        assert line.sent < 32 * 1024 * 1024  # ours is 8; the rest is in buffers on the way


def test_where_a_redirect_leads_nobody_is_asked(line: BadLine, asker: Asker) -> None:
    with serving() as elsewhere, trial(PART, "a redirect is not followed"):
        elsewhere.on("/", JSON)
        line.treat(Fault(instead=http(JSON, "302 Found", Location=f"{elsewhere.url}/")), ever=True)

        with pytest.raises(CheckAnswerError, match="HTTP 302") as caught:
            asker.row()

        asker.check_error(caught.value)
        assert elsewhere.requests == []


def test_an_answer_that_comes_twice_is_not_taken_for_the_next_one(line: BadLine, asker: Asker) -> None:
    line.treat(Fault(instead=http(JSON, Connection="keep-alive") * 2), ever=True)
    client, day_after = asker.client(tries=2), DAILY.granularity.period_of(PERIOD.start + timedelta(days=1))

    with trial(PART, "an answer that comes twice is not taken for the next one"):
        asker.check_row(client.fetch(DAILY, PERIOD)[0])
        with pytest.raises(WeChatError) as caught:
            client.fetch(DAILY, day_after)

        asker.check_error(caught.value)


# Hosts that are not there, or are others


def unused_port(_: ExitStack) -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def unknown_name(_: ExitStack) -> str:
    return "https://wechat.invalid"  # by RFC 2606 nobody is called so


def hung_up_handshake(stack: ExitStack) -> str:
    return f"https://{stack.enter_context(hanging_up())}"


NOT_THERE = {
    "refused": (unused_port, "Connection refused"),
    "unknown name": (unknown_name, r"Failed to resolve 'wechat\.invalid'"),
    "hung up in the TLS handshake": (hung_up_handshake, "SSLError"),
}


@pytest.mark.parametrize(("place", "words"), NOT_THERE.values(), ids=list(NOT_THERE))
def test_a_host_that_is_not_there_is_a_passing_trouble(sandbox: Sandbox, place: Any, words: str) -> None:
    with ExitStack() as stack, trial(PART, "a host that cannot be reached is a passing trouble"):
        asker = Asker(sandbox, place(stack))

        with pytest.raises(TryAgainError, match=words) as caught:
            asker.row(tries=2)

        asker.check_error(caught.value)


@pytest.mark.parametrize("name", OTHERS)
def test_a_certificate_that_does_not_match_is_refused_before_anything_is_sent(
    sandbox: Sandbox, name: str
) -> None:
    with (
        certified(name) as (context, ca_bundle),
        BadLine(address_of(sandbox), context) as line,
        trial(PART, "a certificate that does not match is refused before anything is sent"),
    ):
        asker = Asker(sandbox, line.url, ca_bundle=ca_bundle)

        with pytest.raises(CheckAnswerError, match=r"certificate verify failed|is not valid for") as caught:
            asker.row(tries=2)

        asker.check_error(caught.value)
        assert sandbox.requests == []


def test_a_tls_handshake_that_drips_ends_in_time(sandbox: Sandbox, line: BadLine) -> None:
    line.treat(
        Fault(instead=A_RECORD, without_end=b"\x02", drip=DRIP, full_speed=len(A_RECORD), reach=AGES),
        ever=True,
    )

    with trial(PART, "a TLS handshake that drips ends in time"):
        began = time.monotonic()
        with pytest.raises(TryAgainError) as caught:
            Asker(sandbox, line.url.replace("http:", "https:")).row(timeout=SHORT)

        assert time.monotonic() - began < SHORT + SLACK
        Asker(sandbox, sandbox.url).check_error(caught.value)


A_RECORD = b"\x16\x03\x03\x40\x00"
"""The head of a TLS record of 16 KiB."""


class Proxied(NamedTuple):
    """A sandbox behind TLS, behind a proxy."""

    asker: Asker
    proxy: BadLine


@pytest.fixture
def proxied(sandbox: Sandbox) -> Iterator[Proxied]:
    with behind_proxy(sandbox) as (url, ca_bundle, proxy):
        yield Proxied(Asker(sandbox, url, ca_bundle=ca_bundle, proxy=proxy.url), proxy)


def test_a_proxy_that_drips_is_got_through(proxied: Proxied) -> None:
    proxied.proxy.treat(Fault(drip=0.001), ever=True)

    with trial(PART, "a proxy that drips, but not too slowly, is got through"):
        proxied.asker.check_row(proxied.asker.row())
        assert proxied.proxy.connections == 1


@pytest.mark.parametrize("fault", PROXIES.values(), ids=list(PROXIES))
def test_through_a_proxy_a_request_ends_in_time_as_well(proxied: Proxied, fault: Fault) -> None:
    proxied.proxy.treat(fault, ever=True)

    with trial(PART, "through a proxy a request ends in time as well"):
        began = time.monotonic()
        with pytest.raises(TryAgainError) as caught:
            proxied.asker.row(timeout=SHORT)

        assert time.monotonic() - began < SHORT + SLACK
        proxied.asker.check_error(caught.value)


def test_behind_an_address_that_is_silent_the_next_is_asked_in_the_same_try(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, look_up = address_of(sandbox)[1], socket.getaddrinfo
    both = [
        *look_up("::1", port, type=socket.SOCK_STREAM),
        *look_up("127.0.0.1", port, type=socket.SOCK_STREAM),
    ]
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda name, *args, **named: both if name == "localhost" else look_up(name, *args, **named),
    )

    with silent("::1", port), trial(PART, "behind a silent address the next one is asked in the same try"):
        asker = Asker(sandbox, f"http://localhost:{port}")
        asker.check_row(asker.row(timeout=4))


@contextmanager
def silent(host: str, port: int) -> Iterator[None]:
    """Listen, but let nobody in: a connection to it is neither made nor refused."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6))
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):  # so many wait at the door; who comes after them gets no answer
            waiting = stack.enter_context(socket.socket(socket.AF_INET6))
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect((host, port))
        yield
