from __future__ import annotations

import itertools
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example
from hypothesis import strategies as st
from tenacity import wait_none

from airflow_wechat.client.errors import CheckAnswerError, RenewTokenError, TryAgainError, WeChatError
from airflow_wechat.client.periods import BEIJING
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.token_sources.supplied import GivenToken, TokenServer, split_token_url
from airflow_wechat.client.transport import Network
from client.scripted import DROPPED, Reply, Script, ScriptedServer, serving
from fuzzing import any_text, expect_ours, fuzzed, json_values, numbers

PATH = "/wechat/token"
KEY = "KEY+of/the=server&"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def asking(server: ScriptedServer, *paths: str, query: str = "", **options: Any) -> TokenServer:
    return TokenServer(f"{server.url}{PATH}{query}", *paths, waits=wait_none(), **options)


def given(*tokens: str) -> GivenToken:
    rest = itertools.chain(tokens[1:], itertools.repeat(tokens[-1]))
    return GivenToken(Secret(tokens[0]), "access_token", lambda: Secret(next(rest)))


# In the connection


def test_a_given_token_is_used_as_it_is() -> None:
    assert given("t1").token() == "t1"


def test_after_a_refusal_the_connection_is_read_again() -> None:
    source = given("t1", "t2")

    assert source.renewed(Secret("t1")) == source.token() == "t2"


def test_all_threads_share_one_reading_of_the_connection() -> None:
    readings = []
    ready = threading.Barrier(8)

    def reread() -> Secret:
        readings.append(1)
        return Secret("t2")

    source = GivenToken(Secret("t1"), "access_token", reread)

    def renew(_: int) -> Secret:
        ready.wait(10)
        return source.renewed(Secret("t1"))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(renew, range(8)))

    assert found == ["t2"] * 8
    assert len(readings) == 1


def test_a_token_that_another_thread_found_is_taken() -> None:
    source = given("t1", "t2", "t3")
    source.renewed(Secret("t1"))

    assert source.renewed(Secret("t1")) == "t2"


def test_a_refused_token_that_is_still_there_says_what_to_do() -> None:
    with pytest.raises(RenewTokenError, match="put a token that is good into access_token"):
        given("t1").renewed(Secret("t1"))


# From a token server


@pytest.mark.parametrize(
    ("paths", "answer"),
    [
        ((), {"access_token": "t1", "expires_in": 7200}),
        (("token",), {"token": "t1"}),
        (("data.wechat.token", "data.end"), {"data": {"wechat": {"token": "t1"}, "end": 60}}),
        (("tokens.1.value",), {"tokens": [{}, {"value": "t1"}]}),
    ],
)
def test_the_token_is_found_where_its_path_leads(
    server: ScriptedServer, paths: tuple[str, ...], answer: Any
) -> None:
    server.on(PATH, answer)

    assert asking(server, *paths).token() == "t1"


@pytest.mark.parametrize(
    "query",
    ["", "?app=wx1&key=a%20b", "?sk_live_KEY", "?scope=a&scope=b", "?sig=%2B%2F%FF%3D&se=2026-01-01T00:00"],
)
def test_the_server_is_asked_by_get_with_its_query_as_it_is_written(
    server: ScriptedServer, query: str
) -> None:
    server.on(PATH, {"access_token": "t1"})

    asking(server, query=query).token()

    [request] = server.requests
    assert (request.method, request.target) == ("GET", f"{PATH}{query}")


@pytest.mark.parametrize("query", ["?type=access_token", "?app=wx0123456789abcdef", "?a=expires_in"])
def test_words_of_the_query_may_stand_in_the_answer(server: ScriptedServer, query: str) -> None:
    server.on(PATH, {"access_token": "68_wx0123456789abcdef.access_token", "expires_in": 7200})

    assert asking(server, query=query).token() == "68_wx0123456789abcdef.access_token"


@pytest.mark.parametrize("query", ["?k=1", "?short", "?key=abcdefghijk"])
def test_no_query_is_logged_however_short(
    server: ScriptedServer, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.on(PATH, {"access_token": "t1"})

    with caplog.at_level(logging.DEBUG):
        asking(server, query=query).token()

    assert f"{PATH}?***" in caplog.text
    assert query not in caplog.text


def in_ten_minutes() -> float:
    return time.time() + 600


@pytest.mark.parametrize(
    ("end", "good_for"),
    [
        (lambda: 600, 540),
        (lambda: "600", 540),
        (lambda: 600.0, 540),
        (lambda: None, 270),
        (in_ten_minutes, 540),
        (lambda: in_ten_minutes() * 1000, 540),
        (lambda: datetime.fromtimestamp(in_ten_minutes(), UTC).isoformat(), 540),
        (lambda: datetime.fromtimestamp(in_ten_minutes(), BEIJING).isoformat(), 540),
    ],
)
def test_its_end_may_be_seconds_or_a_moment(
    server: ScriptedServer, end: Callable[[], Any], good_for: float
) -> None:
    clock = Clock()
    server.on(PATH, {"access_token": "t1", "expires_in": end()}, {"access_token": "t2"})
    source = asking(server, clock=clock)
    source.token()

    clock.now += good_for - 60
    before = source.token()
    clock.now += 61
    after = source.token()

    assert (before, after) == ("t1", "t2")


@pytest.mark.parametrize(
    "end", [0, -5, "soon", "2020-01-01T00:00:00+00:00", "2030-01-01T00:00:00", [], {}, 1e300, "nan", 1.6e9]
)
def test_an_end_that_is_none_is_refused(server: ScriptedServer, end: Any) -> None:
    server.on(PATH, {"access_token": "t1", "expires_in": end})

    with pytest.raises(CheckAnswerError, match="correct expires_path"):
        asking(server).token()


@pytest.mark.parametrize("path", ["access_token", "data"])
def test_an_end_looked_for_in_the_wrong_place_is_not_repeated(server: ScriptedServer, path: str) -> None:
    server.on(PATH, {"access_token": "68_CANARY", "data": {"token": "68_CANARY"}})

    with pytest.raises(CheckAnswerError, match="correct expires_path") as caught:
        asking(server, "access_token", path).token()

    assert "CANARY" not in str(caught.value)


def test_a_server_that_repeats_a_refused_token_is_named(server: ScriptedServer) -> None:
    server.on(PATH, {"access_token": "t1"})
    source = asking(server)

    with pytest.raises(RenewTokenError, match="the token server gives the token that WeChat has refused"):
        source.renewed(source.token())


@pytest.mark.parametrize("script", [Reply(b"", 403), Reply(b"", 302), b"<html>"])
def test_troubles_of_the_server_ask_to_look_at_the_server(server: ScriptedServer, script: Script) -> None:
    server.on(PATH, script)

    with pytest.raises(CheckAnswerError, match="see whether token_url in the connection's Extra is right"):
        asking(server).token()


def test_after_a_refusal_the_server_is_asked_again(server: ScriptedServer) -> None:
    server.on(PATH, {"access_token": "t1"}, {"access_token": "t2"})
    source = asking(server)

    assert source.renewed(source.token()) == "t2"


@pytest.mark.parametrize("answer", [{}, {"access_token": ""}, {"access_token": 5}, {"data": "t1"}])
def test_an_answer_without_a_token_names_the_field(server: ScriptedServer, answer: Any) -> None:
    server.on(PATH, answer)

    with pytest.raises(CheckAnswerError, match="from token_url: no token at token_path 'access_token'"):
        asking(server).token()


def test_html_names_the_field_and_is_not_repeated(server: ScriptedServer) -> None:
    server.on(PATH, Reply(b"<html>sign in, CANARY", headers=(("Content-Type", "text/html"),)))

    with pytest.raises(CheckAnswerError, match="from token_url: not JSON but HTML") as caught:
        asking(server).token()

    assert "CANARY" not in str(caught.value)


def test_an_errcode_of_the_servers_own_means_nothing(server: ScriptedServer) -> None:
    server.on(PATH, {"errcode": 40001, "access_token": "t1"})

    assert asking(server).token() == "t1"


def test_a_passing_trouble_is_waited_out(server: ScriptedServer) -> None:
    server.on(PATH, DROPPED, Reply(b"", 503), {"access_token": "t1"})

    assert asking(server).token() == "t1"


TROUBLES: dict[str, Script] = {
    "refused": Reply(b"", 403),
    "redirected": Reply(b"", 302, headers=(("Location", f"/login?{KEY}"),)),
    "cut off": b'{"data":{"value":"68_TOKEN-OF-TODAY","expi',
    "no json": b"68_TOKEN-OF-TODAY",
    "no object": b'["68_TOKEN-OF-TODAY"]',
    "elsewhere": {"68_TOKEN": {"value": "68_TOKEN-OF-TODAY"}},
    "down": Reply(b"68_TOKEN-OF-TODAY", 503),
}


@pytest.mark.parametrize("script", TROUBLES.values(), ids=list(TROUBLES))
def test_no_trouble_tells_the_servers_key_or_a_token(
    server: ScriptedServer, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    server.on(PATH, script)

    with caplog.at_level(logging.DEBUG), pytest.raises(WeChatError) as caught:
        asking(server, "data.token", query=f"?key={quote(KEY, safe='')}").token()

    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert not any(text in told for text in (KEY, "KEY%2Bof", "TOKEN-OF-TODAY"))
    assert "/wechat/token?***" in caplog.text


def test_a_server_that_is_down_is_a_passing_trouble_of_the_field() -> None:
    # It once read "***C***o***n***n…": the query, which is empty here, was hidden wherever it was found.
    with pytest.raises(TryAgainError, match=r"from token_url: ConnectionError: .*refused"):
        TokenServer("http://127.0.0.1:9/token", waits=wait_none()).token()


@pytest.mark.parametrize(
    "url",
    [
        "https://tokens.example/t?key=1#CANARY",
        "https://tokens.example/t#CANARY",
        "http://tokens.example/t?key=CANARY",
        "https://user:CANARY@tokens.example/t",
        "ftp://tokens.example/CANARY",
        "https://?CANARY",
        "CANARY://",
        "https://tokens.example:CANARY/",
    ],
)
def test_a_url_that_is_not_allowed_names_the_field_and_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"token_url in the connection's Extra is not allowed") as caught:
        split_token_url(url)

    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_a_bare_host_means_https() -> None:
    assert split_token_url("tokens.example/t?key=1") == ("https://tokens.example", "/t", "key=1")


steps = st.lists(
    st.sampled_from(("access_token", "expires_in", "a", "0", "1", "9" * 5000)) | any_text, max_size=3
)
served = json_values | st.dictionaries(
    st.sampled_from(("access_token", "expires_in", "a")), json_values | numbers | st.text(), min_size=1
)


@fuzzed(
    "whatever a token server says, wherever its token is: a token that can be sent, or a documented error",
    served,
    steps,
    steps,
    few=30,
    many=1_000,
)
@example({"a": ["\ud800"]}, ["a", "0"], ["b"])
@example({"access_token": "t", "expires_in": [1]}, ["access_token"], ["expires_in", "9" * 5000])
def test_any_token_server_gives_a_token_or_is_refused(answer: Any, token: list[str], ends: list[str]) -> None:
    body = json.dumps(answer).encode()
    with serving() as server:
        server.on(PATH, body)
        try:
            given = asking(server, ".".join(token), ".".join(ends), tries=1).token()
        except WeChatError as error:
            expect_ours(error, CheckAnswerError, longest=1_000)
            return

    assert given.encode()
    assert json.dumps(given).encode() in body


# What is said of a token server, word by word: nothing else tells the reader what to mend


def told_by(tokens: Any) -> str:
    with pytest.raises(WeChatError) as caught:
        tokens.token()
    return str(caught.value)


def test_an_answer_without_a_token_is_told_by_ten_names_that_cannot_be_tokens(server: ScriptedServer) -> None:
    names = [*"AbCdEfGhIjKl", "68_token", "a" * 31]
    server.on(PATH, dict.fromkeys(names, 1))

    assert told_by(asking(server, "a.b", "c")) == (
        "from token_url: no token at token_path 'a.b' in the answer, "
        f"which has {sorted('AbCdEfGhIjKl')[:10]}. "
        "What to do: correct token_path in the connection's Extra, or mend the token server."
    )


@pytest.mark.parametrize(
    ("end", "shown"),
    [(0, "0"), (-1, "-1"), (True, "True"), ("68_token", "str"), ([7200], "list"), (1e9, "1000000000.0")],
)
def test_an_end_that_is_none_is_told_but_for_its_text(server: ScriptedServer, end: Any, shown: str) -> None:
    server.on(PATH, {"access_token": "t1", "expires_in": end})

    assert told_by(asking(server)) == (
        f"from token_url: the token's end is {shown}, expected seconds to live, or a moment to come. "
        "What to do: correct expires_path in the connection's Extra, or mend the token server."
    )


def test_a_token_server_that_gives_the_refused_token_is_told(server: ScriptedServer) -> None:
    server.on(PATH, {"access_token": "t1", "expires_in": 7200})
    tokens = asking(server)

    with pytest.raises(RenewTokenError) as caught:
        tokens.renewed(tokens.token())

    assert str(caught.value) == (
        "from token_url: the token server gives the token that WeChat has refused. What to do: see whether "
        "token_url in the connection's Extra is right, with its key, and what the token server says."
    )


def test_a_token_url_that_is_not_allowed_is_told_what_is() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        split_token_url("http://tokens.example/KEY")

    assert str(caught.value) == (
        "token_url in the connection's Extra is not allowed: give https://HOST/PATH, with a key, where one "
        "is needed, in the query (http is for loopback only)"
    )


def test_a_given_token_that_nobody_reads_again_is_refused_by_its_field() -> None:
    tokens = GivenToken(Secret("t1"), "access_token")

    with pytest.raises(RenewTokenError, match=r"^WeChat refuses access_token in the connection's Extra"):
        tokens.renewed(tokens.token())
    assert tokens.token() == "t1"


def test_a_token_that_lives_less_than_a_second_lives(server: ScriptedServer) -> None:
    server.on(PATH, {"access_token": "t1", "expires_in": 0.9})

    assert asking(server).token() == "t1"


@pytest.mark.parametrize("step", ["1", "-1", "9" * 5000, "²", "x"])
def test_a_place_that_a_list_does_not_have_holds_no_token(server: ScriptedServer, step: str) -> None:
    server.on(PATH, {"tokens": ["t1"]})

    assert "no token at token_path" in told_by(asking(server, f"tokens.{step}"))
    assert asking(server, "tokens.0").token() == "t1"


def test_a_token_server_is_reached_by_its_own_network_and_tries(server: ScriptedServer) -> None:
    server.on(PATH, DROPPED)
    network = Network(timeout=5)

    tokens = asking(server, network=network, tries=2)

    assert tokens._transport._network is network
    assert "ConnectionError" in told_by(tokens)
    assert len(server.requests) == 2
