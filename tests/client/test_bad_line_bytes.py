"""An answer that is cut after any of its bytes, or has any of its bits turned round."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_wechat.client.errors import TryAgainError, WeChatError
from airflow_wechat.client.reports import ColumnType
from airflow_wechat.sandbox import Sandbox
from bad_line import BadLine, End, Fault
from client.line_faults import PERIOD
from client.sandboxed import DAILY
from client.through_line import Asker, address_of, certified
from proof.figures import Figure, figure

PART = "bad line"
BRIEF = 1.0
"""Seconds to wait where a turned bit has made an answer longer than it is."""

ANSWERS: dict[str, Callable[..., Any]] = {"report": Asker.row, "token": Asker.new_token}
answers = pytest.mark.parametrize("answer", ANSWERS)
thoroughly = pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.proof)])
"""Every byte, or for a quick look one of so many."""


@pytest.fixture
def line(sandbox: Sandbox) -> Iterator[BadLine]:
    with BadLine(address_of(sandbox)) as running:
        yield running


@pytest.fixture
def asker(sandbox: Sandbox, line: BadLine) -> Asker:
    return Asker(sandbox, line.url)


def length_of(line: BadLine, ask: Callable[[], Any]) -> int:
    """Return how many bytes come over the line for a question."""
    before = line.sent
    ask()
    return line.sent - before


@answers
@pytest.mark.quick_proof
@pytest.mark.parametrize("end", [End.CLOSE, End.RESET])
def test_an_answer_cut_after_any_byte_is_a_passing_trouble(
    line: BadLine, asker: Asker, answer: str, end: End
) -> None:
    ask = ANSWERS[answer]
    length = length_of(line, lambda: ask(asker))

    with figure(
        PART, f"a {answer} answer cut after each of its bytes ({end.value}) is a passing trouble"
    ) as counted:
        for reach in range(length):
            line.treat(Fault(reach=reach, then=end))
            with counted.trial(reach):
                with pytest.raises(WeChatError) as caught:
                    ask(asker)
                assert type(caught.value) is TryAgainError
                asker.check_error(caught.value)


@answers
@pytest.mark.quick_proof
def test_an_answer_cut_after_any_byte_is_got_over(line: BadLine, asker: Asker, answer: str) -> None:
    ask = ANSWERS[answer]
    length = length_of(line, lambda: ask(asker))

    with figure(
        PART, f"a {answer} answer cut after each of its bytes is got over by asking again"
    ) as counted:
        for reach in range(length):
            line.treat(Fault(reach=reach))
            with counted.trial(reach):
                check(asker, ask(asker, tries=2))


def check(asker: Asker, given: Any) -> None:
    if isinstance(given, dict):
        asker.check_row(given)
    else:
        assert given == asker.token


@answers
@thoroughly
def test_a_bit_turned_round_below_tls_is_never_taken_for_an_answer(
    sandbox: Sandbox, answer: str, step: int
) -> None:
    ask = ANSWERS[answer]
    with ExitStack() as stack:
        context, ca_bundle = stack.enter_context(certified("127.0.0.1"))
        ends_tls = stack.enter_context(BadLine(address_of(sandbox), context))
        line = stack.enter_context(BadLine(ends_tls.address))
        asker = Asker(sandbox, line.url.replace("http:", "https:"), ca_bundle=ca_bundle)
        length = length_of(line, lambda: ask(asker))
        what = (
            f"a bit turned round in each byte of a {answer} answer, below TLS: an error, or WeChat's answer"
        )
        counted = stack.enter_context(figure(PART, what))
        faults = [Fault(flip=bit) for bit in bits_of(range(0, length, step))]
        outcomes = outcomes_of(asker, line, ask, faults, counted, check)
    assert outcomes["error"] > 0.98 * outcomes.total()  # the rest are bits that mean nothing


@answers
@thoroughly
def test_a_bit_turned_round_in_plain_http_ends_as_documented(
    line: BadLine, asker: Asker, answer: str, step: int
) -> None:
    ask = ANSWERS[answer]
    length = length_of(line, lambda: ask(asker))
    bits = bits_of(range(0, length, step)) if step > 1 else range(8 * length)

    what = f"a bit turned round in a {answer} answer, plain http: documented errors, or the right form"
    faults = [Fault(flip=bit, reach=length) for bit in bits]  # and hang up, rather than wait in vain
    with figure(PART, what) as counted:
        outcomes_of(asker, line, ask, faults, counted, check_kind)


def check_kind(asker: Asker, given: Any) -> None:
    """See that a row is of the period that was asked for, and of the right types; its digits may be wrong."""
    if not isinstance(given, dict):
        assert isinstance(given, str) and given
        return
    assert (given["app_id"], given["period_start"], given["ref_date"]) == (
        asker.sandbox.app.app_id,
        str(PERIOD.start),
        PERIOD.ref_date,
    )
    for field in DAILY.fields:
        kind = int if field.type is ColumnType.INTEGER else float
        assert type(given[field.name]) is kind or (given[field.name] is None and field.nullable)


def bits_of(places: Iterable[int]) -> list[int]:
    chosen = random.Random(2017)
    return [8 * place + chosen.randrange(8) for place in places]


def outcomes_of(
    asker: Asker, line: BadLine, ask: Any, faults: Iterable[Fault], counted: Figure, check: Any
) -> Counter[str]:
    """Ask once with each fault; count what ends in an error and what in an answer."""
    outcomes: Counter[str] = Counter()
    for fault in faults:
        line.treat(fault)
        with counted.trial(fault):
            try:
                given = ask(asker, timeout=BRIEF)
            except WeChatError as error:
                outcomes["error"] += 1
                asker.check_error(error)
            else:
                outcomes["answer"] += 1
                check(asker, given)
    return outcomes
