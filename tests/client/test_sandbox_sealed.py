"""The sandbox and encrypted and signed calls: who must seal, and what comes back sealed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from airflow_wechat.client.errors import (
    CheckAnswerError,
    FixCredentialsError,
    FixRequestError,
    TryAgainError,
    WeChatError,
)
from airflow_wechat.sandbox import App, Sandbox
from client.sandboxed import DAILY, STABLE, Caller, client_by, client_of

PERIOD = DAILY.granularity.period_of(date(2024, 3, 13))
BODY = {"begin_date": "20240313", "end_date": "20240313"}
ENVELOPE = {"iv", "data", "authtag"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(sealed=True) as running:
        yield running


def refused(client: Any) -> WeChatError:
    with pytest.raises(WeChatError) as caught:
        client.fetch(DAILY, PERIOD)
    return caught.value


def test_the_journal_has_what_a_sealed_call_says(sandbox):
    client_by("sealed", sandbox).fetch(DAILY, PERIOD)

    call = sandbox.requests[-1]
    assert (call.path, call.body, call.answered) == (DAILY.path, BODY, 0)


def test_an_answer_to_a_sealed_call_is_sealed(sandbox, monkeypatch):
    replies = []
    usual = Sandbox._usual
    monkeypatch.setattr(Sandbox, "_usual", lambda *args: replies.append(usual(*args)) or replies[-1])

    client_by("sealed", sandbox).fetch(DAILY, PERIOD)

    reply, _ = replies[-1]
    assert b"visit_pv" not in reply.body
    assert {"Wechatmp-Appid", "Wechatmp-Signature", "Wechatmp-Serial"} <= reply.headers.keys()


def test_a_refusal_of_a_sealed_call_is_sealed_and_keeps_its_errcode(sandbox):
    sandbox.clock = lambda: datetime.now(UTC)
    client = client_by("sealed", sandbox)
    tomorrow = DAILY.granularity.period_of(date.today() + timedelta(days=2))  # noqa: DTZ011 - any day to come

    with pytest.raises(FixRequestError, match="61501"):
        client.fetch(DAILY, tomorrow)

    assert sandbox.requests[-1].answered == 61501


def test_where_calls_must_be_sealed_an_unsealed_one_is_refused_in_plain_json(sandbox):
    error = refused(client_of(sandbox))

    assert isinstance(error, FixCredentialsError)
    assert error.errcode == 40231
    assert Caller(sandbox).report("20240313")["errcode"] == 40231


def test_where_calls_must_be_sealed_other_calls_need_not_be(sandbox):
    caller = Caller(sandbox)
    token = caller.stable()["access_token"]

    assert caller.post("/cgi-bin/openapi/quota/get", {"cgi_path": DAILY.path}, access_token=token)["quota"]


def test_the_token_is_looked_at_before_the_seal(sandbox):
    client = client_by("sealed", sandbox, token_source="supplied", access_token="one-that-nobody-knows")

    with pytest.raises(WeChatError):
        client.fetch(DAILY, PERIOD)

    assert sandbox.requests[-1].answered == 40001


def test_without_keys_at_wechat_a_sealed_call_is_refused():
    with Sandbox() as sandbox:
        assert refused(client_by("sealed", sandbox)).errcode == 40238


def test_where_it_is_optional_both_are_taken():
    with Sandbox(sealed="optional") as sandbox:
        rows = [
            client.fetch(DAILY, PERIOD)[0] for client in (client_by("sealed", sandbox), client_of(sandbox))
        ]

    assert rows[0] | {"fetched_at": 0} == rows[1] | {"fetched_at": 0}


@pytest.mark.parametrize("sealed", ["no", 1, None])
def test_the_rule_is_one_of_three(sealed):
    with pytest.raises(ValueError, match=r"sealed=.* is not allowed: give True, False or 'optional'"):
        Sandbox(sealed=sealed)


def test_the_keys_of_one_app_do_not_fit_the_token_of_another():
    apps = (App("wx1111111111111111", "one"), App("wx2222222222222222", "two"))
    with Sandbox(apps=apps, sealed=True) as sandbox:
        token = sandbox.stable_token(apps[1])
        client = client_by("sealed", sandbox, token_source="supplied", access_token=token)

        assert refused(client).errcode == 40237


def test_the_key_of_another_app_signs_nothing():
    with Sandbox(sealed=True) as sandbox, Sandbox(sealed=True) as other:
        private_key = other.sealed_side(other.app).extra["private_key"]

        assert refused(client_by("sealed", sandbox, private_key=private_key)).errcode == 40234


def test_a_call_of_another_hour_is_refused(sandbox):
    sandbox.clock = lambda: datetime.now(UTC) + timedelta(hours=1)

    assert refused(client_by("sealed", sandbox)).errcode == 40240


# The platform certificate changes


def test_after_a_change_the_former_certificate_is_good_and_warned_of(sandbox, caplog):
    client = client_by("sealed", sandbox)
    sandbox.change("certificate")

    with caplog.at_level(logging.WARNING):
        assert client.fetch(DAILY, PERIOD)

    assert "ends soon" in caplog.text


def test_after_two_changes_the_first_certificate_is_no_good(sandbox):
    client = client_by("sealed", sandbox)
    for _ in range(2):
        sandbox.change("certificate")

    assert isinstance(refused(client), CheckAnswerError)


def test_after_a_change_the_connection_has_the_latest_certificate(sandbox, caplog):
    former = sandbox.connection
    sandbox.change("certificate")

    assert sandbox.connection != former
    with caplog.at_level(logging.WARNING):
        assert client_by("sealed", sandbox).fetch(DAILY, PERIOD)
    assert "ends soon" not in caplog.text


def test_a_scripted_answer_is_not_sealed(sandbox):
    sandbox.answer_next(DAILY.path, {"list": []}, {"errcode": 48001})
    client = client_by("sealed", sandbox)

    assert "an unsigned answer" in str(refused(client))
    assert refused(client).errcode == 48001


def test_tokens_are_asked_for_unsealed(sandbox):
    client_by("sealed", sandbox).fetch(DAILY, PERIOD)

    assert [request.path for request in sandbox.requests] == [STABLE, DAILY.path]
    assert not ENVELOPE & sandbox.requests[0].body.keys()


# Failures


SPOILT = {
    "html": (CheckAnswerError, "an unsigned answer"),
    "http503": (TryAgainError, "HTTP 503"),
    "drop": (TryAgainError, "Remote end closed connection"),
    "cut": (CheckAnswerError, "an unsigned answer"),
    "text": (CheckAnswerError, "expected a number"),
    "twice": (CheckAnswerError, "2 rows for 2024-03-13"),
    "other": (CheckAnswerError, "got ref_date '20230313'"),
    "61504": (TryAgainError, "system busy rid: "),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_breaks_a_sealed_answer_reaches_our_client_as_its_documented_error(kind):
    error, words = SPOILT[kind]
    with Sandbox(failures={kind: 1.0}, sealed=True) as sandbox:
        caught = refused(client_by("sealed", sandbox))

    assert type(caught) is error
    assert words in str(caught)


def test_an_empty_list_is_sealed_as_well():
    with Sandbox(failures={"empty": 1.0}, sealed=True) as sandbox:
        assert client_by("sealed", sandbox).fetch(DAILY, PERIOD) == []
