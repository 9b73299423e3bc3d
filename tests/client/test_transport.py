from __future__ import annotations

import base64
import gzip
import itertools
import json
import logging
import socket
import ssl
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock
from urllib.parse import quote, quote_plus

import pytest
import requests
import tenacity
import trustme
from hypothesis import example
from hypothesis import strategies as st
from tenacity import wait_none

from airflow_wechat.client import signing
from airflow_wechat.client import transport as transport_module
from airflow_wechat.client.answers import checked
from airflow_wechat.client.base_url import check_base_url
from airflow_wechat.client.errors import (
    CheckAnswerError,
    FixCredentialsError,
    FixRequestError,
    RenewTokenError,
    TryAgainError,
    WaitForDataError,
    WeChatError,
)
from airflow_wechat.client.sealing import Sealed
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.transport import Network, Transport
from canaries import Everything, everything_logged, spelled_in, spellings, told, with_small_escapes
from client.scripted import DROPPED, Gate, Reply, Request, Script, ScriptedServer, hanging_up, serving
from fuzzing import expect_ours, fuzzed
from proof.figures import quick_proof

TRUST = "trust boundary"

PATH = "/datacube/getweanalysisappiddailyvisittrend"
OTHER_PATH = "/elsewhere"
OK = {"list": []}
AUTHORITY = trustme.CA()  # one that no machine trusts

# Nothing WeChat gives out looks like this; each character is written differently somewhere.
TOKEN = Secret("68_to+ke/n%to=ke&n to.ke~n")
SECRET = Secret("se+cr/et%se=cr&et se.cr~et")


def transport_to(url: str, **arguments: Any) -> Transport:
    return Transport(url, **{"waits": wait_none(), **arguments})


def post(url: str, **arguments: Any) -> Any:
    return transport_to(url, **arguments).post(
        PATH, {"a": 1, "secret": SECRET}, query={"access_token": TOKEN}
    )


# Where WeChat may be


@quick_proof(TRUST, "https to any host and plain http to this machine are allowed")
@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.weixin.qq.com", "https://api.weixin.qq.com"),
        ("https://api.weixin.qq.com/", "https://api.weixin.qq.com"),
        (" https://api2.weixin.qq.com\n", "https://api2.weixin.qq.com"),
        ("api.weixin.qq.com", "https://api.weixin.qq.com"),
        ("api.weixin.qq.com:8443", "https://api.weixin.qq.com:8443"),
        ("https://gateway.example/wechat/", "https://gateway.example/wechat"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("127.0.0.1:8000", "https://127.0.0.1:8000"),
        ("https://gateway.example/X/", "https://gateway.example/X"),
        ("https://[fe80::1%eth0]:8000", "https://[fe80::1%eth0]:8000"),
        ("https://my_gateway-1.example", "https://my_gateway-1.example"),
        ("https://网关.example", "https://网关.example"),
    ],
)
def test_https_anywhere_and_http_on_loopback_are_allowed(given: str, used: str) -> None:
    assert check_base_url(given) == used == check_base_url(used)
    assert Transport(given).base_url == used


@quick_proof(TRUST, "plain http to another machine is refused")
@pytest.mark.parametrize(
    "url",
    [
        "http://api.weixin.qq.com",
        "HTTP://api.weixin.qq.com",
        "http://10.0.0.1",
        "http://0.0.0.0:8000",
        "http://128.0.0.1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://[::2]",
        "http://2130706433",
    ],
)
def test_plain_http_to_another_machine_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="plain http would show the AppSecret to the network; give https://"):
        check_base_url(url)


@quick_proof(TRUST, "a base URL with a user, a query or a fragment is refused and not repeated")
@pytest.mark.parametrize(
    "url",
    [
        "https://user@api.weixin.qq.com",
        "https://user:PASSWORD@api.weixin.qq.com",
        "user:PASSWORD@api.weixin.qq.com",
        "http://127.0.0.1@evil.example",
        "https://:PASSWORD@api.weixin.qq.com",
        "ftp://user:PASSWORD@api.weixin.qq.com",
        "https://api.weixin.qq.com?access_token=PASSWORD",
        "https://api.weixin.qq.com/?",
        "https://api.weixin.qq.com/#PASSWORD",
        "https://api.weixin.qq.com#",
    ],
)
def test_a_user_a_query_or_a_fragment_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must not carry a user, a query or a fragment") as caught:
        Transport(url)

    assert "PASSWORD" not in str(caught.value)


@quick_proof(TRUST, "a base URL that names no web host is refused")
@pytest.mark.parametrize(
    "url", ["", " ", "https://", "https:///datacube", "ftp://host", "file:///etc/passwd"]
)
def test_what_names_no_web_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not allowed: give https://HOST"):
        Transport(url)


@quick_proof(TRUST, "a base URL with an unreadable host is refused and not repeated")
@pytest.mark.parametrize(
    "url",
    [
        "https://host:port",
        "https://host:99999",
        "https://[::1",
        "https://wx1:PASSWORD",
        "http://127.0.0.1\\PASSWORD",
        "http://127.0.0.1\t.PASSWORD",
        "http://local\nhost",
        "https://host/a PASSWORD",
        "https://host/\ud800",
        "https://{host}",
        "https://host%2fPASSWORD",
        "https://host;PASSWORD",
    ],
)
def test_an_unreadable_host_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be read: give https://HOST") as caught:
        Transport(url)

    assert "PASSWORD" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_wechat_may_be_on_either_loopback(host: str) -> None:
    with serving(host) as server:
        server.on(PATH, OK)

        assert post(server.url) == OK


# What is sent


def test_a_body_is_posted_as_compact_json(server: ScriptedServer) -> None:
    server.on(PATH, OK)

    transport_to(server.url).post(
        PATH, {"begin_date": "20170313", "end_date": "20170313"}, query={"access_token": "t"}
    )

    [request] = server.requests
    assert request.method == "POST"
    assert request.path == PATH
    assert request.body == b'{"begin_date":"20170313","end_date":"20170313"}'
    assert request.headers["Content-Type"] == "application/json"


def test_the_token_travels_in_the_query_whole(server: ScriptedServer) -> None:
    server.on(PATH, OK)

    transport_to(server.url).post(PATH, {}, query={"access_token": TOKEN})

    [request] = server.requests
    assert request.query == {"access_token": [TOKEN]}


def test_the_secret_travels_in_the_body_only(server: ScriptedServer) -> None:
    server.on(PATH, OK)

    transport_to(server.url).post(PATH, {"appid": "wx1", "secret": SECRET})

    [request] = server.requests
    assert request.json == {"appid": "wx1", "secret": SECRET}
    assert request.target == PATH


def test_a_base_url_with_a_path_keeps_it(server: ScriptedServer) -> None:
    server.on(f"/wechat{PATH}", OK)

    assert post(f"{server.url}/wechat/") == OK


def test_the_answer_is_wechats_object(server: ScriptedServer) -> None:
    answer = {"list": [{"ref_date": "20170313", "note": "访问"}]}
    server.on(PATH, answer)

    assert post(server.url) == answer


def test_cookies_are_not_kept(server: ScriptedServer) -> None:
    server.on(PATH, Reply(json.dumps(OK).encode(), headers=(("Set-Cookie", "a=1; Path=/"),)))
    transport = transport_to(server.url)

    transport.post(PATH, {})
    transport.post(PATH, {})

    assert [request.headers.get("Cookie") for request in server.requests] == [None, None]


def test_plain_http_does_not_go_through_a_proxy(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on(PATH, OK)
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)

        post(server.url)

    assert len(server.requests) == 1
    assert proxy.requests == []


def test_https_goes_through_the_environments_proxy(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(TryAgainError, match="ProxyError"):
        transport_to("https://api.weixin.qq.com", tries=1).post(PATH, {})

    assert [request.method for request in server.requests] == ["CONNECT"]


def test_plain_http_to_wechat_is_for_those_who_send_neither_secret_nor_token() -> None:
    assert Transport("http://api.weixin.qq.com", tokenless=True).base_url == "http://api.weixin.qq.com"
    with pytest.raises(ValueError, match="plain http"):
        Transport("http://api.weixin.qq.com")


# Passing troubles


class Trouble(NamedTuple):
    script: Script
    words: str


PASSING = {
    "-1": Trouble({"errcode": -1, "errmsg": "system error"}, "errcode -1"),
    "61504": Trouble({"errcode": 61504, "errmsg": "busy"}, "errcode 61504"),
    "45011": Trouble({"errcode": 45011, "errmsg": "api minute-quota reach limit"}, "errcode 45011"),
    "500": Trouble(Reply(b"<html>", 500), "HTTP 500 Internal Server Error"),
    "502": Trouble(Reply(b"<html>", 502), "HTTP 502 Bad Gateway"),
    "503": Trouble(Reply(b"{}", 503), "HTTP 503 Service Unavailable"),
    "599": Trouble(Reply(b"", 599), "HTTP 599"),
    "429": Trouble(Reply(b"", 429), "HTTP 429 Too Many Requests"),
    "dropped": Trouble(DROPPED, "ConnectionError"),
    "cut off": Trouble(Reply(headers=(("Content-Length", "99"),), stream=[b"{"]), "IncompleteRead"),
}
passing = pytest.mark.parametrize("trouble", PASSING.values(), ids=list(PASSING))


@passing
def test_a_passing_trouble_is_asked_again_until_it_is_over(server: ScriptedServer, trouble: Trouble) -> None:
    server.on(PATH, trouble.script, trouble.script, trouble.script, OK)

    answer = post(server.url)

    assert answer == OK
    assert len(server.requests) == 4


@passing
def test_a_trouble_that_does_not_pass_is_raised_after_four_tries(
    server: ScriptedServer, trouble: Trouble
) -> None:
    server.on(PATH, trouble.script)

    with pytest.raises(TryAgainError, match=trouble.words) as caught:
        post(server.url)

    assert len(server.requests) == 4
    assert caught.value.path == PATH


def test_what_may_not_be_repeated_is_asked_once(server: ScriptedServer) -> None:
    server.on(PATH, {"errcode": -1, "errmsg": "system error"})

    with pytest.raises(TryAgainError):
        transport_to(server.url).post(PATH, {}, repeatable=False)

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.ConnectionError(), "ConnectionError: . What to do"),
        (requests.ConnectionError("lost"), "ConnectionError: lost. What to do"),
    ],
)
def test_a_failure_of_few_words_is_told_as_it_is(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    monkeypatch.setattr(requests.Session, "send", Mock(side_effect=error))

    with pytest.raises(TryAgainError, match=f"^from {PATH}: {words}"):
        transport_to("https://api.weixin.qq.com", tries=1).post(PATH, {})


def test_every_try_sends_the_same_request(server: ScriptedServer) -> None:
    server.on(PATH, Reply(b"", 503))

    with pytest.raises(TryAgainError):
        post(server.url)

    assert len({(request.target, request.body) for request in server.requests}) == 1


def test_an_answer_that_does_not_come_is_a_passing_trouble(server: ScriptedServer) -> None:
    gate = Gate()
    server.on(PATH, gate.then(OK))

    with pytest.raises(TryAgainError, match="ReadTimeout"):
        post(server.url, network=Network(timeout=0.05))

    gate.open()
    assert len(server.requests) == 4


def test_a_host_that_does_not_listen_is_a_passing_trouble() -> None:
    with pytest.raises(TryAgainError, match="ConnectionError"):
        post(unused_url())


def test_a_connection_lost_in_the_tls_handshake_is_a_passing_trouble() -> None:
    with hanging_up() as host, pytest.raises(TryAgainError):
        post(f"https://{host}")


def test_the_waits_grow_and_are_jittered(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", type("Clock", (), {"sleep": slept.append}))
    drawn: list[tuple[float, float]] = []
    monkeypatch.setattr("random.uniform", lambda low, high: drawn.append((low, high)) or high)
    server.on(PATH, Reply(b"", 503))

    with pytest.raises(TryAgainError):
        Transport(server.url).post(PATH, {})

    assert slept == [0.5, 1.0, 2.0]
    assert drawn[:3] == [(0, 0.5), (0, 1.0), (0, 2.0)]


# Other troubles


class Failure(NamedTuple):
    script: Script
    error_class: type[WeChatError]
    words: str


OTHER = {
    "40001": Failure({"errcode": 40001, "errmsg": "invalid credential"}, RenewTokenError, "errcode 40001"),
    "42001": Failure({"errcode": 42001, "errmsg": "expired"}, RenewTokenError, "errcode 42001"),
    "61503": Failure({"errcode": 61503, "errmsg": "data not ready"}, WaitForDataError, "errcode 61503"),
    "61501": Failure({"errcode": 61501, "errmsg": "words rid: 1-2-3"}, FixRequestError, "rid: 1-2-3"),
    "unknown": Failure({"errcode": 99999, "errmsg": "words"}, WeChatError, "errcode 99999"),
    "html": Failure(b"<html>hello</html>", CheckAnswerError, "not JSON but '<html>hello</html>'"),
    "array": Failure(b"[]", CheckAnswerError, "not a JSON object"),
    "404": Failure(Reply(b"{}", 404), CheckAnswerError, "HTTP 404 Not Found, expected 200"),
    "403": Failure(Reply(b"{}", 403), CheckAnswerError, "HTTP 403 Forbidden, expected 200"),
    "204": Failure(Reply(b"", 204), CheckAnswerError, "HTTP 204 No Content, expected 200"),
    "499": Failure(Reply(b"{}", 499), CheckAnswerError, ": HTTP 499, expected 200"),
}


@pytest.mark.parametrize(("script", "error_class", "words"), OTHER.values(), ids=list(OTHER))
def test_any_other_trouble_is_raised_at_once(
    server: ScriptedServer, script: Script, error_class: type[WeChatError], words: str
) -> None:
    server.on(PATH, script)

    with pytest.raises(error_class, match=words) as caught:
        transport_to(server.url).post(PATH, {}, query={"access_token": TOKEN})

    assert type(caught.value) is error_class
    assert caught.value.path == PATH
    assert len(server.requests) == 1


def test_40001_in_answer_to_a_secret_means_a_wrong_secret(server: ScriptedServer) -> None:
    server.on(PATH, {"errcode": 40001, "errmsg": "invalid credential"})

    with pytest.raises(FixCredentialsError):
        transport_to(server.url).post(PATH, {}, read=partial(checked, path=PATH, token_endpoint=True))

    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: ScriptedServer, status: int) -> None:
    server.on(PATH, Reply(b"", status, headers=(("Location", f"{server.url}{OTHER_PATH}"),)))
    server.on(OTHER_PATH, OK)

    with pytest.raises(CheckAnswerError, match=f"HTTP {status} .*, expected 200"):
        post(server.url)

    assert len(server.requests) == 1


def test_an_answer_without_end_is_given_up(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_MAX_BODY", 1000)
    server.on(PATH, Reply(stream=itertools.repeat(b" " * 100, 100_000)))

    with pytest.raises(CheckAnswerError, match=f"{PATH}: an answer of more than 1000 bytes"):
        post(server.url)

    assert len(server.requests) == 1


def test_an_answer_that_unpacks_without_end_is_given_up(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_MAX_BODY", 1000)
    server.on(PATH, Reply(gzip.compress(b" " * 1_000_000), headers=(("Content-Encoding", "gzip"),)))

    with pytest.raises(CheckAnswerError, match="an answer of more than 1000 bytes"):
        post(server.url)


@pytest.mark.parametrize("times", [1, 2])
def test_what_unpacks_without_end_takes_little_memory(server: ScriptedServer, times: int) -> None:
    body = b" " * 40_000_000
    for _ in range(times):
        body = gzip.compress(body, 1)
    server.on(PATH, Reply(body, headers=(("Content-Encoding", ", ".join(["gzip"] * times)),)))
    tracemalloc.start()
    try:
        with pytest.raises(CheckAnswerError):
            post(server.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 20_000_000


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip"])
def test_packed_answers_are_not_asked_for_but_read(server: ScriptedServer, coding: str) -> None:
    packed = gzip.compress(json.dumps(OK).encode())
    server.on(PATH, Reply(packed, headers=(("Content-Encoding", coding),)))

    assert post(server.url) == OK
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_packed_answer_without_its_end_is_refused(server: ScriptedServer) -> None:
    packed = gzip.compress(json.dumps(OK).encode())[:-8]
    server.on(PATH, Reply(packed, headers=(("Content-Encoding", "gzip"),)))

    with pytest.raises(CheckAnswerError, match=f"^from {PATH}: a gzip answer without its end. What"):
        post(server.url)


def test_what_is_packed_otherwise_than_it_says_is_called_so(server: ScriptedServer) -> None:
    server.on(PATH, Reply(json.dumps(OK).encode(), headers=(("Content-Encoding", "gzip"),)))

    with pytest.raises(TryAgainError, match=f"^from {PATH}: an answer that is no gzip. What"):
        post(server.url, tries=1)


@pytest.mark.parametrize(
    ("proxy", "user_and_password"),
    [
        (None, None),
        ("http://proxy:1", None),
        ("http://a-long-user@proxy:1", None),
        ("http://user:a%20long%20password@proxy:1", ("user", "a long password")),
        ("http://:a-long-password@proxy:1", ("", "a-long-password")),
    ],
)
def test_of_a_proxy_its_password_is_secret_and_the_header_that_carries_it(
    proxy: str | None, user_and_password: tuple[str, str] | None
) -> None:
    secrets = Network(proxy=proxy and Secret(proxy)).secrets

    if user_and_password is None:
        assert secrets == []
    else:
        header = base64.b64encode(":".join(user_and_password).encode()).decode()
        assert secrets == [user_and_password[1], header]


def test_of_a_query_that_is_secret_as_a_whole_each_value_is_too() -> None:
    query = Secret("key=a%20long%20key&page=1")
    call = transport_module._Call("GET", PATH, query, None, PATH, quoting=False)

    assert call.secrets == [query, "a long key"]


def test_an_answer_just_short_enough_is_read(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(OK).encode()
    monkeypatch.setattr(transport_module, "_MAX_BODY", len(body))
    server.on(PATH, body)

    assert post(server.url) == OK


# Certificates


def untrusted() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def untrusted_server() -> Iterator[ScriptedServer]:
    with serving(context=untrusted()) as server:
        server.on(PATH, OK)
        yield server


@pytest.fixture
def trusted_authority(tmp_path: Path) -> str:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return str(tmp_path / "authority.pem")


def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(
    untrusted_server: ScriptedServer,
) -> None:
    with pytest.raises(CheckAnswerError, match=f"{PATH}: .*certificate verify failed"):
        post(untrusted_server.url)

    assert untrusted_server.requests == []


def test_a_certificate_the_machine_trusts_is_accepted(
    untrusted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, trusted_authority: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trusted_authority)

    assert post(untrusted_server.url) == OK


def test_a_certificate_of_another_host_is_refused(
    untrusted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, trusted_authority: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trusted_authority)
    url = untrusted_server.url.replace("127.0.0.1", "localhost")

    with pytest.raises(CheckAnswerError, match="certificate is not valid for 'localhost'"):
        post(url)

    assert untrusted_server.requests == []


# Secrets


def leaks(text: str) -> list[str]:
    return spelled_in(text, TOKEN, SECRET)


@pytest.fixture
def log() -> Iterator[Everything]:
    with everything_logged() as handler:
        yield handler


def refusal(words: str) -> bytes:
    return json.dumps({"errcode": 61501, "errmsg": f"date range error {words} rid: 1-2-3"}).encode()


BOTH = f"{TOKEN} and {SECRET}"

ECHOES: dict[str, Callable[[Request], Script]] = {
    "errmsg": lambda _: refusal(BOTH),
    "errmsg, encoded": lambda request: refusal(f"{request.target} {quote_plus(SECRET)}"),
    "errmsg, with small escapes": lambda request: refusal(with_small_escapes(request.target)),
    "errmsg, encoded by half": lambda _: refusal(quote(TOKEN)),
    "errmsg, with its slashes escaped": lambda _: refusal(BOTH).replace(b"/", b"\\/"),
    "errmsg, as code points": lambda _: refusal("HERE").replace(b"HERE", code_points(TOKEN)),
    "errcode": lambda _: {"errcode": BOTH},
    "html": lambda _: f"<html>{BOTH}".encode(),
    "html, encoded": lambda request: f"<a href='{request.target}'>".encode(),
    "json cut off": lambda _: refusal(BOTH)[:-10],
    "json cut off, with its slashes escaped": lambda _: refusal(BOTH).replace(b"/", b"\\/")[:-10],
    "json array": lambda _: [TOKEN, SECRET],
    "body of a 500": lambda request: Reply(request.target.encode() + request.body, 500),
    "reason of a 404": lambda request: Reply(b"", 404, reason=f"Not found: {request.target}"),
    "reason of a 503": lambda _: Reply(b"", 503, reason=BOTH),
    "location": lambda request: Reply(b"", 302, headers=(("Location", f"/elsewhere?{request.target}"),)),
    "header that is none": lambda request: Reply(b"", 404, headers=((request.target, ""), ("no name", ""))),
}


def code_points(text: str) -> bytes:
    return "".join(f"\\u{ord(char):04x}" for char in text).encode()


Place = Callable[[ScriptedServer, ExitStack, pytest.MonkeyPatch], Transport]


def where_it_says(script: Script) -> Place:
    def place(server: ScriptedServer, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Transport:
        server.on(PATH, script)
        return transport_to(server.url)

    return place


def where_nobody_listens(*_: object) -> Transport:
    return transport_to(unused_url())


def where_nothing_is_said(server: ScriptedServer, stack: ExitStack, *_: object) -> Transport:
    gate = Gate()
    stack.callback(gate.open)
    server.on(PATH, gate.then(OK))
    return transport_to(server.url, network=Network(timeout=0.05))


def where_tls_is_hung_up(server: ScriptedServer, stack: ExitStack, *_: object) -> Transport:
    return transport_to(f"https://{stack.enter_context(hanging_up())}")


def where_tls_is_not_spoken(server: ScriptedServer, *_: object) -> Transport:
    return transport_to(f"https://{server.host}")


def where_the_certificate_is_not_trusted(server: ScriptedServer, stack: ExitStack, *_: object) -> Transport:
    return transport_to(stack.enter_context(serving(context=untrusted())).url)


def where_the_proxy_refuses(
    server: ScriptedServer, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> Transport:
    monkeypatch.setenv("https_proxy", server.url)
    return transport_to("https://api.weixin.qq.com")


PLACES: dict[str, Place] = {
    **{f"passing: {name}": where_it_says(trouble.script) for name, trouble in PASSING.items()},
    **{f"other: {name}": where_it_says(trouble.script) for name, trouble in OTHER.items()},
    **{f"echo: {name}": where_it_says(script) for name, script in ECHOES.items()},
    "too long": where_it_says(b" " * (4 * 1024 * 1024 + 1)),
    "gzip that is none": where_it_says(Reply(b"<html>", headers=(("Content-Encoding", "gzip"),))),
    "nobody listens": where_nobody_listens,
    "nothing is said": where_nothing_is_said,
    "tls is hung up": where_tls_is_hung_up,
    "tls is not spoken": where_tls_is_not_spoken,
    "certificate is not trusted": where_the_certificate_is_not_trusted,
    "proxy refuses": where_the_proxy_refuses,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_no_failure_tells_a_secret(
    place: Place, server: ScriptedServer, log: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        transport = place(server, stack, monkeypatch)

        with pytest.raises(WeChatError) as caught:
            transport.post(PATH, {"secret": SECRET}, query={"access_token": TOKEN})

    assert leaks(told(caught.value)) == []
    assert leaks(log.text) == []


def test_no_success_tells_a_secret(server: ScriptedServer, log: Everything) -> None:
    server.on(PATH, lambda request: {"list": [], "asked": request.target, TOKEN: {"secret": [SECRET]}})

    answer = post(server.url)

    assert leaks(json.dumps(answer) + repr(answer)) == []
    assert leaks(log.text) == []
    assert "access_token=***" in log.text


def test_an_error_that_hides_a_secret_keeps_wechats_words_around_it(server: ScriptedServer) -> None:
    server.on(PATH, refusal(TOKEN))

    with pytest.raises(FixRequestError) as caught:
        post(server.url)

    assert caught.value.errmsg == "date range error *** rid: 1-2-3"


def test_these_tests_would_find_a_secret_in_an_exception() -> None:
    with pytest.raises(requests.RequestException) as caught:
        requests.post(unused_url(), params={"access_token": TOKEN}, timeout=1)

    assert quote_plus(TOKEN) in leaks(told(caught.value))


def test_these_tests_would_find_a_secret_in_the_chain_of_an_exception() -> None:
    error = TryAgainError("lost", path=PATH)
    error.__context__ = requests.ConnectionError(f"/path?access_token={quote_plus(TOKEN)}")
    error.__suppress_context__ = True

    assert quote_plus(TOKEN) in leaks(told(error))


def test_these_tests_would_find_a_secret_in_the_log(
    server: ScriptedServer, log: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("urllib3.connectionpool"), "filters", [])
    server.on(PATH, OK)

    post(server.url)

    assert quote_plus(TOKEN) in leaks(log.text)


@pytest.mark.parametrize("spelling", sorted(spellings(TOKEN) | spellings(SECRET)))
def test_these_tests_would_find_each_spelling_of_a_secret(spelling: str) -> None:
    assert spelling in leaks(f"a line with {spelling} in it")


def unused_url() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


# Getting, proxies, bundles and clocks


def test_a_get_carries_its_query_and_no_body(server: ScriptedServer) -> None:
    server.on(PATH, OK)

    transport_to(server.url).get(PATH, {"appid": "wx1", "secret": SECRET})

    [request] = server.requests
    assert (request.method, request.body) == ("GET", b"")
    assert request.query == {"appid": ["wx1"], "secret": [SECRET]}


@pytest.mark.parametrize("script", ECHOES.values(), ids=list(ECHOES))
def test_no_failure_of_a_get_tells_a_secret(server: ScriptedServer, log: Everything, script: Script) -> None:
    server.on(PATH, script)

    with pytest.raises(WeChatError) as caught:
        transport_to(server.url).get(PATH, {"secret": SECRET, "unusual_name": TOKEN})

    assert leaks(told(caught.value)) == []
    assert leaks(log.text) == []


def test_a_proxy_of_the_connection_is_used_rather_than_the_environments(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", unused_url())
    monkeypatch.setenv("no_proxy", "*")
    network = Network(proxy=Secret(server.url.replace("://", "://user:the-proxy-password@")))

    with pytest.raises(TryAgainError, match="ProxyError") as caught:
        transport_to("https://api.weixin.qq.com", network=network, tries=1).post(PATH, {})

    [request] = server.requests
    assert (request.method, request.target) == ("CONNECT", "api.weixin.qq.com:443")
    assert "the-proxy-password" not in told(caught.value)


def test_a_bundle_of_the_connection_is_trusted_rather_than_the_environments(
    untrusted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, trusted_authority: str
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())

    answer = post(untrusted_server.url, network=Network(ca_bundle=trusted_authority))

    assert answer == OK


@pytest.mark.parametrize("seconds", [0, -7200, 90])
def test_how_far_the_clocks_are_apart_is_noted(server: ScriptedServer, seconds: float) -> None:
    date = formatdate(time.time() - seconds, usegmt=True)
    server.on(PATH, Reply(b'{"list":[]}', headers=(("Date", date),)))
    transport = transport_to(server.url)

    transport.post(PATH, {})

    assert transport.clock_ahead == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize("ahead", [None, 0.0, 7200.0, -90.0])
def test_wechats_clock_is_this_machines_but_for_what_they_are_apart(ahead: float | None) -> None:
    transport = transport_to("http://127.0.0.1:9")
    transport.clock_ahead = ahead

    assert transport.wechats_now() == pytest.approx(time.time() - (ahead or 0), abs=0.5)


@pytest.mark.parametrize("headers", [(), (("Date", "yesterday"),)])
def test_a_server_without_a_clock_leaves_it_open(server: ScriptedServer, headers: Any) -> None:
    server.on(PATH, Reply(b'{"list":[]}', headers=headers))
    transport = transport_to(server.url)

    transport.post(PATH, {})

    assert transport.clock_ahead is None


def test_where_a_redirect_leads_is_not_even_read(server: ScriptedServer, log: Everything) -> None:
    headers = (("Location", f"http://[::1?access_token={quote_plus(TOKEN)}\xff"),)
    endless = itertools.repeat(b" " * 65536, 10_000)
    server.on(PATH, Reply(status=302, headers=headers, stream=endless))

    with pytest.raises(CheckAnswerError, match=r"HTTP 302 .*, expected 200") as caught:
        post(server.url)

    assert leaks(told(caught.value)) == []
    assert leaks(log.text) == []


def test_a_header_that_echoes_the_url_is_not_logged(server: ScriptedServer, log: Everything) -> None:
    def echo(request: Request) -> Script:
        headers = (("no colon " + request.target, ""), (" bad", request.target))
        return Reply(stream=[b'{"list":[]}'], headers=headers)

    server.on(PATH, echo)

    post(server.url)

    assert leaks(log.text) == []


def test_a_line_that_cannot_be_encoded_is_logged_all_the_same(log: Everything) -> None:
    logging.getLogger("urllib3.connectionpool").debug("a lone half: \ud800")

    assert "a lone half: ?" in log.text


@pytest.mark.parametrize(("status", "error"), [(407, FixCredentialsError), (502, TryAgainError)])
def test_a_proxy_that_refuses_is_named(
    server: ScriptedServer, log: Everything, status: int, error: type[WeChatError]
) -> None:
    authorization = base64.b64encode(b"user:the-proxy-password").decode()
    server.on("443", Reply(authorization.encode(), status, reason=authorization))  # of CONNECT HOST:443
    network = Network(proxy=Secret(server.url.replace("://", "://user:the-proxy-password@")))

    with pytest.raises(error, match=f"{PATH}: .*see whether proxy in the connection's Extra") as caught:
        transport_to("https://api.weixin.qq.com", network=network, tries=1).post(PATH, {})

    assert type(caught.value) is error
    assert authorization not in told(caught.value) + log.text
    assert "the-proxy-password" not in told(caught.value) + log.text


def test_a_bundle_of_the_environment_that_is_not_there_ends_the_task_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    with pytest.raises(FixRequestError, match=rf"{PATH}: .*/nowhere/ca\.pem.*REQUESTS_CA_BUNDLE"):
        post("https://127.0.0.1:9")


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:hunter2-secret@",
        "http://user:hunter2-/secret@127.0.0.1:9",
        "ftp://user:hunter2-secret@127.0.0.1:9",
        "http://user:hunter2-secret@ex ample:80x",
    ],
    ids=["no host", "a slash in the password", "no proxy's scheme", "a host that is none"],
)
def test_a_proxy_of_the_environment_that_is_none_ends_the_task_and_is_not_told(
    monkeypatch: pytest.MonkeyPatch, log: Everything, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(FixRequestError, match=rf"{PATH}: Invalid\w+. .*HTTPS_PROXY a proxy") as caught:
        post("https://127.0.0.1:9")

    assert "hunter2" not in told(caught.value) + log.text


def test_an_error_of_ours_is_not_taken_for_one_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise TypeError("unexpected keyword")

    monkeypatch.setenv("HTTPS_PROXY", "http://user:password@127.0.0.1:9")
    monkeypatch.setattr(requests.Session, "request", broken)

    with pytest.raises(TypeError, match="unexpected keyword"):
        post("https://127.0.0.1:9")


@pytest.mark.parametrize("host", [".example", "a..b", f"{'a' * 64}.example"])
def test_a_host_that_cannot_be_ends_the_task(host: str) -> None:
    with pytest.raises(FixRequestError, match=rf"{PATH}: \w+. .*whether the connection names a host"):
        post(f"https://{host}")


class OpenSealer:
    """Seals nothing, and keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def seal(self, url: str, _: Any) -> Sealed:
        self.asked.append(("seal", url))
        return Sealed(b"{}", {})

    def open(self, url: str, _: Any, body: bytes, path: str) -> bytes:
        self.asked.append(("open", f"{url} {path}"))
        return body


def test_the_url_to_sign_is_made_of_the_base_url_and_the_path(
    monkeypatch: pytest.MonkeyPatch, server: ScriptedServer
) -> None:
    server.on(PATH, OK)
    sealer = OpenSealer()
    monkeypatch.setattr(signing, "signed_url", lambda base_url, path: base_url + path)

    transport_to(server.url, sealer=sealer).post(PATH, {})

    url = server.url + PATH
    assert sealer.asked == [("seal", url), ("open", f"{url} {PATH}")]


# Whatever a server says

ERRORS = (CheckAnswerError, TryAgainError, FixRequestError)
HEADERS = (
    "Date",
    "Content-Type",
    "Content-Encoding",
    "Location",
    "Transfer-Encoding",
    "Set-Cookie",
    "Retry-After",
)
header_texts = st.sampled_from(
    (
        "gzip",
        "deflate",
        "gzip, gzip",
        "chunked",
        "application/json",
        "text/html; charset=latin-1",
        "http://[::1",
    )
) | st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=30)
dates = st.lists(
    st.sampled_from(
        ("Mon,", "01", "1", "Jan", "Jan-26", "2026", "99999", "00:00:00", ":", ",", "GMT", "+9999", "-", "")
    )
).map(" ".join)
replies = st.builds(
    Reply,
    st.binary(max_size=40)
    | st.sampled_from((b"{}", b'{"list":[]}', gzip.compress(b"{}"), b"0\r\n\r\n", b"-1\r\n")),
    st.sampled_from((200, 200, 200, 204, 301, 304, 401, 429, 500, 999)),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=8),
    st.lists(st.tuples(st.sampled_from(HEADERS), header_texts | dates), max_size=4).map(tuple),
)


@fuzzed("whatever a server says, headers too: an object, or a documented error", replies, few=50, many=500)
@example(Reply(b"{}", headers=(("Date", "Mon, 01 Jan , 00:00:00 GMT"),)))
def test_any_reply_gives_an_object_or_a_documented_error(reply: Reply) -> None:
    with serving() as server:
        server.on(PATH, reply)
        try:
            answer = post(server.url, tries=1, network=Network(timeout=5))
        except WeChatError as error:
            expect_ours(error, *ERRORS, longest=1_000)
            assert len(server.requests) == 1
            return

    assert type(answer) is dict
    assert reply.status == 200
