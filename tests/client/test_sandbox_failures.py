"""What the sandbox breaks on purpose reaches the client as the error that is documented for it."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from airflow_wechat.client.errors import (
    AskPermissionError,
    CheckAnswerError,
    RenewTokenError,
    TryAgainError,
    WaitForDataError,
    WaitForQuotaError,
    WeChatError,
)
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.failures import FAILURES
from client.sandboxed import DAILY, MONTHLY, STABLE, WEEKLY, Caller, HandClock, client_of

YESTERDAY = date(2026, 11, 22)

SEEN = {
    "html": (CheckAnswerError, "not JSON but '<html>"),
    "http503": (TryAgainError, "HTTP 503 Service Unavailable"),
    "drop": (TryAgainError, "Remote end closed connection"),
    "cut": (CheckAnswerError, "not JSON but"),
    "empty": (WaitForDataError, "an empty list"),
    "text": (CheckAnswerError, "expected a number"),
    "twice": (CheckAnswerError, "2 rows for 2026-11-22"),
    "other": (CheckAnswerError, "asked for 20261122, got ref_date '20251122'"),
    "-1": (TryAgainError, "system error rid: "),
    "40001": (RenewTokenError, "not latest rid: "),
    "45009": (WaitForQuotaError, "quota limit rid: "),
    "45011": (TryAgainError, "retry next minute rid: "),
    "48001": (AskPermissionError, "rid: "),
    "61503": (WaitForDataError, "data not ready"),
    "61504": (TryAgainError, "system busy rid: "),
    "99999": (WeChatError, "rid: "),
}


@pytest.mark.parametrize("kind", SEEN)
def test_the_client_sees_each_kind_as_its_documented_error(clock, kind):
    error, words = SEEN[kind]
    with Sandbox(clock=clock, failures={kind: 1.0}) as sandbox, pytest.raises(WeChatError) as caught:
        client_of(sandbox).fetch(DAILY, DAILY.granularity.period_of(YESTERDAY))

    assert type(caught.value) is error
    assert words in str(caught.value)


def test_each_named_kind_has_its_line_above():
    assert set(FAILURES) <= set(SEEN)


@pytest.mark.parametrize(
    ("report", "begin", "end", "ref_date"),
    [
        (DAILY, "20261122", "20261122", "20251122"),
        (WEEKLY, "20261116", "20261122", "20251116-20251122"),
        (MONTHLY, "20261001", "20261031", "202510"),
    ],
)
def test_the_row_of_another_period_is_of_the_year_before(clock, report, begin, end, ref_date):
    with Sandbox(clock=clock, failures={"other": 1.0}) as sandbox:
        (row,) = Caller(sandbox).report(begin, end, report=report)["list"]

    assert row["ref_date"] == ref_date


def test_a_cut_answer_has_the_length_it_announces(clock):
    with Sandbox(clock=clock, failures={"cut": 1.0}) as sandbox:
        caller = Caller(sandbox)
        query = {"access_token": caller.stable()["access_token"]}
        body = {"begin_date": "20261122", "end_date": "20261122"}
        response = caller.send("POST", DAILY.path, params=query, json=body)

    assert int(response.headers["Content-Length"]) == len(response.content) > 50
    assert response.content.startswith(b'{"list":[{')
    assert not response.content.endswith(b"}")


@pytest.mark.parametrize("kind", ["empty", "text", "twice", "other"])
def test_a_refusal_has_no_rows_to_spoil(clock, kind):
    with Sandbox(clock=clock, failures={kind: 1.0}) as sandbox:
        assert Caller(sandbox).report("20261122", token="unknown")["errcode"] == 40001


@pytest.mark.parametrize("kind", ["-1", "http503", "drop"])
def test_tokens_are_never_spoiled(clock, kind):
    with Sandbox(clock=clock, failures={kind: 1.0}) as sandbox:
        assert "access_token" in Caller(sandbox).stable()


def errcodes(clock: HandClock, calls: int, **options) -> list[int]:
    with Sandbox(clock=clock, **options) as sandbox:
        caller = Caller(sandbox)
        token = caller.stable()["access_token"]
        for _ in range(calls):
            caller.report("20261122", token=token)
        return [request.answered for request in sandbox.requests if request.path != STABLE]


def test_shares_are_kept(clock):
    counts = Counter(errcodes(clock, 1000, failures={"-1": 0.3, "61504": 0.1}, seed=7))

    assert counts[0] + counts[-1] + counts[61504] == 1000
    assert 250 < counts[-1] < 350
    assert 70 < counts[61504] < 130


def test_the_seed_decides_which_calls_fail(clock):
    one, same, other = (errcodes(clock, 50, failures={"-1": 0.5}, seed=seed) for seed in (1, 1, 2))

    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("failures", "message"),
    [
        ({"htm": 0.1}, r"failure 'htm' is not allowed: give an errcode, or one of html, "),
        ({"0": 0.1}, r"failure '0' is not allowed"),
        ({"-1": 1.1}, r"share 1.1 of failure '-1' is not allowed: give a number from 0 to 1"),
        ({"-1": float("nan")}, r"share nan of failure '-1' is not allowed"),
        ({"-1": 0.6, "cut": 0.6}, r"all shares together are at most 1"),
    ],
)
def test_a_failure_that_is_not_allowed_is_named(failures, message):
    with pytest.raises(ValueError, match=message):
        Sandbox(failures=failures)
