from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st
from tenacity import wait_none

from airflow_wechat.client.errors import (
    AllowAddressError,
    CheckAnswerError,
    FixCredentialsError,
    TryAgainError,
    WeChatError,
)
from airflow_wechat.client.token_sources import own_files
from airflow_wechat.client.token_sources.forced import ForcedRefreshes
from airflow_wechat.client.token_sources.stable import STABLE_TOKEN_PATH, StableToken
from airflow_wechat.client.tokens import LONGEST_LIFE, issued_by, shown
from airflow_wechat.client.transport import Transport
from client.scripted import DROPPED, PATIENCE, Gate, Reply, Script, ScriptedServer, serving
from fuzzing import expect_ours, fuzzed, json_objects, json_values, numbers

THREADS = 32


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(server: ScriptedServer, clock: Clock) -> StableToken:
    transport = Transport(server.url, waits=wait_none())
    return StableToken(transport, "wx1", "the-secret", clock, ForcedRefreshes(None, clock))


def giving(token: str, expires_in: Any = 7200) -> dict[str, Any]:
    return {"access_token": token, "expires_in": expires_in}


def forced(server: ScriptedServer) -> list[bool]:
    """Return the mode of each token request, in their order."""
    return [request.json["force_refresh"] for request in server.asked(STABLE_TOKEN_PATH)]


def test_what_a_clock_that_was_ahead_has_noted_does_not_stop_forcing_for_long_once_it_is_right(tmp_path):
    clock = Clock()
    ahead = ForcedRefreshes(tmp_path / "forced", lambda: clock.now + 5 * 3600)
    with ahead.turn():
        ahead.note()

    right, later = (ForcedRefreshes(tmp_path / "forced", clock) for _ in range(2))
    with right.turn():
        assert not right.allowed()
    clock.now += 31
    with later.turn():
        assert not later.since(clock.now)
        assert later.allowed()


def test_whoever_asked_while_another_forced_learns_that_a_new_token_is_there(tmp_path):
    clock = Clock()
    one, other = (ForcedRefreshes(tmp_path / "forced", clock) for _ in range(2))
    with one.turn():
        one.note()
        clock.now += 0.1
        asked_at = other.now()  # and is given the token that is dead
        clock.now += 0.2
        one.answered()

    clock.now += 0.1
    with other.turn():
        assert other.since(asked_at)
        assert not other.allowed()


def in_threads(call: Callable[[], str], meanwhile: Callable[[], None]) -> set[str]:
    """Call from many threads that all set out at once; give what they got."""
    ready = threading.Barrier(THREADS + 1)

    def set_out() -> str:
        ready.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(set_out) for _ in range(THREADS)]
        ready.wait(PATIENCE)
        meanwhile()
        return {future.result() for future in futures}


# Asking


def test_a_token_is_asked_for_in_normal_mode(server: ScriptedServer, tokens: StableToken) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"))

    token = tokens.token()

    [request] = server.requests
    assert token == "t1"
    assert request.target == STABLE_TOKEN_PATH
    assert request.json == {
        "grant_type": "client_credential",
        "appid": "wx1",
        "secret": "the-secret",
        "force_refresh": False,
    }


def test_a_token_is_asked_for_once_however_often_it_is_wanted(
    server: ScriptedServer, tokens: StableToken
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"), giving("t2"))

    assert [tokens.token() for _ in range(100)] == ["t1"] * 100
    assert len(server.requests) == 1


def test_one_request_serves_all_threads_that_want_a_token(
    server: ScriptedServer, tokens: StableToken
) -> None:
    gate = Gate()
    server.on(STABLE_TOKEN_PATH, gate.then(giving("t1")))

    def let_the_first_through() -> None:
        gate.wait_for(1)
        gate.open()

    given = in_threads(tokens.token, meanwhile=let_the_first_through)

    assert given == {"t1"}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("expires_in", "good_for"), [(7200, 7140), (7200.0, 7140), (600, 540), (300, 270), (10, 9)]
)
def test_a_token_is_renewed_shortly_before_its_end(
    server: ScriptedServer, tokens: StableToken, clock: Clock, expires_in: float, good_for: float
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1", expires_in), giving("t2"))
    tokens.token()

    clock.now += good_for - 0.01
    before = tokens.token()
    clock.now += 0.01
    after = tokens.token()

    assert (before, after) == ("t1", "t2")
    assert forced(server) == [False, False]


def test_a_tokens_life_counts_from_the_question_not_from_the_answer(
    server: ScriptedServer, tokens: StableToken, clock: Clock
) -> None:
    def slowly(_: object) -> Script:
        clock.now += 100
        return giving("t1")

    server.on(STABLE_TOKEN_PATH, slowly, giving("t2"))
    tokens.token()

    clock.now += 7140 - 100

    assert tokens.token() == "t2"


# A token that WeChat has refused


def test_a_stale_token_is_asked_again_in_normal_mode(server: ScriptedServer, tokens: StableToken) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"), giving("t2"))
    stale = tokens.token()

    token = tokens.renewed(stale)

    assert token == tokens.token() == "t2"
    assert forced(server) == [False, False]


def test_the_very_token_that_was_refused_is_replaced_by_force_once(
    server: ScriptedServer, tokens: StableToken
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"), giving("t1"), giving("t2"))
    stale = tokens.token()

    token = tokens.renewed(stale)

    assert token == tokens.token() == "t2"
    assert forced(server) == [False, False, True]


def test_a_token_that_was_renewed_meanwhile_is_not_asked_for_again(
    server: ScriptedServer, tokens: StableToken
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"), giving("t2"), giving("t3"))
    stale = tokens.token()
    tokens.renewed(stale)

    assert tokens.renewed(stale) == "t2"
    assert len(server.requests) == 2


def test_all_threads_with_the_same_stale_token_share_one_renewal(
    server: ScriptedServer, tokens: StableToken
) -> None:
    gate = Gate()
    server.on(STABLE_TOKEN_PATH, giving("t1"), gate.then(giving("t1")), giving("t2"), giving("t3"))
    stale = tokens.token()

    def let_the_first_through() -> None:
        gate.wait_for(1)
        gate.open()

    given = in_threads(lambda: tokens.renewed(stale), meanwhile=let_the_first_through)

    assert given == {"t2"}
    assert forced(server) == [False, False, True]


def test_force_is_not_used_twice_within_thirty_seconds(
    server: ScriptedServer, tokens: StableToken, clock: Clock
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"))
    stale = tokens.token()
    tokens.renewed(stale)

    clock.now += 29.9
    token = tokens.renewed(stale)

    assert token == stale
    assert forced(server) == [False, False, True, False]


def test_force_may_be_used_again_after_thirty_seconds(
    server: ScriptedServer, tokens: StableToken, clock: Clock
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"))
    stale = tokens.token()
    tokens.renewed(stale)

    clock.now += 31
    tokens.renewed(stale)

    assert forced(server) == [False, False, True, False, True]


@pytest.mark.parametrize("ahead", [120.0, -40.0, 12 * 3600.0], ids=["ahead", "behind", "half a day ahead"])
def test_a_clock_that_is_put_right_makes_nobody_force_again_too_soon(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ahead: float
) -> None:
    """What counts is WeChat's clock, which each of its answers tells."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    right = time.time

    def answer(_: Any) -> Reply:
        return Reply(json.dumps(giving("t1")).encode(), headers=(("Date", formatdate(right(), usegmt=True)),))

    server.on(STABLE_TOKEN_PATH, answer)
    for now in (lambda: right() + ahead, right):
        monkeypatch.setattr("time.time", now)
        tokens = StableToken(Transport(server.url, waits=wait_none()), "wx1", "the-secret")
        assert tokens.renewed(tokens.token()) == "t1"

    assert forced(server).count(True) == 1


def test_thirty_seconds_are_over_when_wechats_clock_says_so(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wechats = Clock()

    def answer(_: Any) -> Reply:
        return Reply(
            json.dumps(giving("t1")).encode(), headers=(("Date", formatdate(wechats(), usegmt=True)),)
        )

    server.on(STABLE_TOKEN_PATH, answer)
    tokens = StableToken(Transport(server.url, waits=wait_none()), "wx1", "the-secret")
    stale = tokens.token()
    tokens.renewed(stale)

    wechats.now += 40
    tokens.renewed(stale)

    assert forced(server) == [False, False, True, False, True]


def test_each_app_at_each_address_counts_its_own_forced_refreshes(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serving() as another:
        server.on(STABLE_TOKEN_PATH, giving("t1"))
        another.on(STABLE_TOKEN_PATH, giving("t1"))

        for url, app_id in ((server.url, "wx1"), (server.url, "wx2"), (another.url, "wx1")):
            tokens = StableToken(Transport(url, waits=wait_none()), app_id, "the-secret")
            tokens.renewed(tokens.token())

    assert forced(server) == [False, False, True] * 2
    assert forced(another) == [False, False, True]


def test_what_was_forced_while_wechat_was_asked_counts_as_forced_since(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """The clock is the machine's: WeChat's answer tells the same."""
    own, another = (ForcedRefreshes(tmp_path / "f") for _ in range(2))
    tokens = StableToken(Transport(server.url, waits=wait_none()), "wx1", "the-secret", forced=own)

    def forces_meanwhile(_: Any) -> Any:
        with another.turn():
            another.note()
        time.sleep(1.5)  # more than WeChat's clock is blurred by
        return giving("t1")

    server.on(STABLE_TOKEN_PATH, giving("t1"), forces_meanwhile, giving("t2"))

    assert tokens.renewed(tokens.token()) == "t2"
    assert forced(server) == [False, False, False]


def test_while_another_worker_hangs_with_the_turn_nobody_forces(
    server: ScriptedServer, clock: Clock, tmp_path: Path
) -> None:
    own, another = (ForcedRefreshes(tmp_path / "f", clock, patience=0.1) for _ in range(2))
    tokens = StableToken(Transport(server.url, waits=wait_none()), "wx1", "the-secret", clock, own)
    server.on(STABLE_TOKEN_PATH, giving("t1"))

    with another.turn():
        assert tokens.renewed(tokens.token()) == "t1"

    assert forced(server) == [False, False]


def test_where_another_worker_has_forced_wechat_is_asked_when_the_next_may_force(
    server: ScriptedServer, clock: Clock, tmp_path: Path
) -> None:
    """Who asks in normal mode keeps nobody waiting."""
    own, another = (ForcedRefreshes(tmp_path / "f", clock, patience=0) for _ in range(2))
    tokens = StableToken(Transport(server.url, waits=wait_none()), "wx1", "the-secret", clock, own)

    def forces(_: Any) -> Any:
        with another.turn():
            another.note()
        return giving("t1")

    def looks(_: Any) -> Any:
        with own_files.locked(tmp_path / "f", patience=0):
            return giving("t2")

    server.on(STABLE_TOKEN_PATH, giving("t1"), forces, looks)

    assert tokens.renewed(tokens.token()) == "t2"
    assert forced(server) == [False, False, False]


@pytest.mark.parametrize("trouble", [DROPPED, Reply(b"", 503), {"errcode": -1, "errmsg": "busy"}])
def test_force_is_not_repeated_where_its_answer_is_lost(
    server: ScriptedServer, tokens: StableToken, trouble: Script
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"), giving("t1"), trouble)
    stale = tokens.token()

    with pytest.raises(TryAgainError):
        tokens.renewed(stale)

    assert forced(server) == [False, False, True]


def test_after_a_lost_answer_to_force_the_new_token_is_asked_for_in_normal_mode(
    server: ScriptedServer, tokens: StableToken
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"), giving("t1"), DROPPED, giving("t2"))
    stale = tokens.token()
    with pytest.raises(TryAgainError):
        tokens.renewed(stale)

    assert tokens.renewed(stale) == "t2"
    assert forced(server) == [False, False, True, False]


def test_force_whose_answer_was_lost_is_not_used_again_within_thirty_seconds(
    server: ScriptedServer, tokens: StableToken, clock: Clock
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"), giving("t1"), DROPPED, giving("t1"))
    stale = tokens.token()
    with pytest.raises(TryAgainError):
        tokens.renewed(stale)

    clock.now += 30
    tokens.renewed(stale)

    assert forced(server) == [False, False, True, False]


# What may go wrong


@pytest.mark.parametrize("errcode", [40001, 40013, 40125, 40243, 41002, 41004])
def test_wrong_credentials_are_fatal_and_asked_for_once(
    server: ScriptedServer, tokens: StableToken, errcode: int
) -> None:
    server.on(STABLE_TOKEN_PATH, {"errcode": errcode, "errmsg": "invalid credential rid: 1-2-3"})

    with pytest.raises(FixCredentialsError, match="rid: 1-2-3") as caught:
        tokens.token()

    assert not caught.value.retryable
    assert caught.value.path == STABLE_TOKEN_PATH
    assert len(server.requests) == 1


def test_wrong_credentials_at_a_renewal_are_fatal_and_not_forced(
    server: ScriptedServer, tokens: StableToken
) -> None:
    server.on(STABLE_TOKEN_PATH, giving("t1"), {"errcode": 40001, "errmsg": "invalid credential"})
    stale = tokens.token()

    with pytest.raises(FixCredentialsError):
        tokens.renewed(stale)

    assert forced(server) == [False, False]


def test_an_address_that_is_not_allowed_is_named(server: ScriptedServer, tokens: StableToken) -> None:
    words = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 1-2-3"
    server.on(STABLE_TOKEN_PATH, {"errcode": 40164, "errmsg": words})

    with pytest.raises(AllowAddressError, match=r"203\.0\.113\.7.*rid: 1-2-3.*allow-list"):
        tokens.token()

    assert len(server.requests) == 1


def test_a_passing_trouble_is_waited_out(server: ScriptedServer, tokens: StableToken) -> None:
    server.on(STABLE_TOKEN_PATH, {"errcode": -1, "errmsg": "busy"}, DROPPED, giving("t1"))

    assert tokens.token() == "t1"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"expires_in": 7200},
        giving(""),
        giving(None),  # type: ignore[arg-type]
        giving(7),  # type: ignore[arg-type]
        giving(["t1"]),  # type: ignore[arg-type]
        {"access_token": "t1"},
        giving("t1", None),
        giving("t1", "7200"),
        giving("t1", True),
        giving("t1", 0),
        giving("t1", -1),
        giving("t1", []),
        giving("t1", 10**400),
        giving("t1", 1e300),
        b'{"access_token":"t1","expires_in":1e400}',
        b'{"access_token":"t1","expires_in":NaN}',
        b'{"access_token":"t1","expires',
        b"<html>",
        [],
    ],
    ids=lambda answer: repr(answer)[:44],
)
def test_an_answer_that_gives_no_token_is_refused(
    server: ScriptedServer, tokens: StableToken, answer: Script
) -> None:
    server.on(STABLE_TOKEN_PATH, answer)

    with pytest.raises(CheckAnswerError) as caught:
        tokens.token()

    assert caught.value.path == STABLE_TOKEN_PATH
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("answer", [{"errcode": -2, "errmsg": "words"}, {}, Reply(b"", 404)])
def test_a_failure_is_not_remembered(server: ScriptedServer, tokens: StableToken, answer: Script) -> None:
    server.on(STABLE_TOKEN_PATH, answer, giving("t1"))
    with pytest.raises(WeChatError):
        tokens.token()

    assert tokens.token() == "t1"


@pytest.mark.parametrize(
    "answer", [b'{"access_token":"68_NEW-TOKEN","expires_in":72', b'"68_NEW-TOKEN"', b"68_NEW-TOKEN 7200"]
)
def test_a_token_in_an_answer_that_cannot_be_read_is_not_told(
    server: ScriptedServer, tokens: StableToken, answer: bytes
) -> None:
    server.on(STABLE_TOKEN_PATH, answer)

    with pytest.raises(CheckAnswerError) as caught:
        tokens.token()

    assert "68_NEW" not in str(caught.value)


def test_neither_secret_nor_token_is_in_the_repr(server: ScriptedServer, tokens: StableToken) -> None:
    server.on(STABLE_TOKEN_PATH, giving("68_NEW-TOKEN"))
    tokens.token()

    assert "68_NEW" not in repr(tokens) + repr(tokens._held)
    assert "the-secret" not in repr(tokens)


@fuzzed(
    "any JSON as a token's answer: a token that can be sent, for as long as it lives, or a documented error",
    json_objects
    | st.fixed_dictionaries(
        {"access_token": json_values | st.text(), "expires_in": numbers | json_values | st.floats(0, 1e10)}
    ),
)
@example({"access_token": "\ud800", "expires_in": 7200})
def test_any_json_object_gives_a_token_or_an_error_to_check(answer: dict[str, Any]) -> None:
    try:
        issued = issued_by(answer, "/path")
    except CheckAnswerError as error:
        expect_ours(error, CheckAnswerError, longest=500)
        return

    assert issued.value == answer["access_token"]
    assert issued.value.encode()
    assert 0 < issued.lifetime == answer["expires_in"] < LONGEST_LIFE


@pytest.mark.parametrize("token", [None, "", 7, ["t"], "half a \ud800"])
def test_what_is_no_token_is_refused_by_the_name_it_should_have(token: Any) -> None:
    with pytest.raises(CheckAnswerError, match=r"^from /path: no authorizer_access_token in the answer"):
        issued_by({"authorizer_access_token": token, "expires_in": 1}, "/path", "authorizer_access_token")


@pytest.mark.parametrize("lifetime", [None, "7200", True, 0, -1, 1e9, 10**400, float("nan")])
def test_a_life_that_is_none_is_refused(lifetime: Any) -> None:
    with pytest.raises(CheckAnswerError, match=r"^from /path: expires_in is .*, expected seconds"):
        issued_by(giving("t", lifetime), "/path")


def test_a_token_where_its_life_should_be_is_not_quoted() -> None:
    with pytest.raises(CheckAnswerError, match="expires_in is str, expected seconds"):
        issued_by(giving("t", "68_TOKEN"), "/path")


def test_of_a_long_number_the_beginning_is_shown() -> None:
    assert shown(10**50) == "1" + 39 * "0"


@pytest.mark.parametrize("lifetime", [0.5, 1, 7200, 1e9 - 1])
def test_a_life_of_any_length_counts(lifetime: float) -> None:
    assert issued_by(giving("t", lifetime), "/path").lifetime == lifetime


class CountingLock:
    """A lock that knows how many wanted it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._wanted = 0

    def __enter__(self) -> None:
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._wanted >= count, PATIENCE)


def test_who_waited_for_a_request_that_fails_fails_alike_and_asks_no_more(
    server: ScriptedServer, tokens: StableToken
) -> None:
    gate = Gate()
    server.on(STABLE_TOKEN_PATH, gate.then({"errcode": 40164, "errmsg": "not in whitelist rid: 1-2-3"}))
    tokens._lock = lock = CountingLock()  # type: ignore[assignment]
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(tokens.token) for _ in range(8)]
        lock.wait_for(8)
        gate.open()
        errors = [one.exception() for one in waiting]

    assert len(server.requests) == 1
    assert {(type(error), str(error)) for error in errors} == {(AllowAddressError, str(errors[0]))}
    with pytest.raises(AllowAddressError):
        tokens.token()
    assert len(server.requests) == 2  # who comes later asks anew
