from __future__ import annotations

import json
import tempfile
import time
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import idna
import pytest
import trustme
from hypothesis import example
from hypothesis import strategies as st

from airflow_wechat.client.assembly import Settings, client_from
from airflow_wechat.client.base_url import DEFAULT_BASE_URL
from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import FixCredentialsError, RenewTokenError, TryAgainError, WeChatError
from airflow_wechat.client.options import OPTIONS, Options
from airflow_wechat.client.reports import Row, get_report
from airflow_wechat.client.routes import INVOKE_PATH
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.token_sources.authorizer import AUTHORIZER_TOKEN_PATH, AuthorizerToken
from airflow_wechat.client.token_sources.classic import CLASSIC_TOKEN_PATH, ClassicToken
from airflow_wechat.client.token_sources.cloud_run import CloudRunToken
from airflow_wechat.client.token_sources.stable import STABLE_TOKEN_PATH, StableToken
from airflow_wechat.client.token_sources.supplied import GivenToken, TokenServer, split_token_url
from airflow_wechat.client.transport import Network
from client.scripted import DROPPED, ScriptedServer
from fuzzing import any_text, expect_ours, fuzzed

DAILY = get_report("daily_visit_trend")


def made_of(*, app_id: str = "wx1", app_secret: str = "", base_url: str = "", **extra: Any) -> WeChatClient:
    options = Options.read(extra)
    url = base_url or "https://api.weixin.qq.com"
    return client_from(Settings(app_id, app_secret, url, options))


AUTHORIZER = {
    "token_source": "authorizer",
    "component_appid": "wxplatform",
    "authorizer_refresh_token": "the-refresh-token",
}


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        (StableToken, {}),
        (ClassicToken, {"token_source": "classic"}),
        (GivenToken, {"token_source": "supplied", "access_token": "t"}),
        (TokenServer, {"token_source": "supplied", "token_url": "https://tokens.example/t"}),
        (AuthorizerToken, AUTHORIZER | {"component_access_token": "c"}),
        (AuthorizerToken, AUTHORIZER | {"token_url": "https://tokens.example/t"}),
        (CloudRunToken, {"token_source": "none"}),
    ],
)
def test_each_token_source_has_its_class(
    kind: type, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert type(made_of(app_secret="s", **extra)._tokens) is kind


@pytest.mark.parametrize("source", ["stable", "classic"])
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_source_that_needs_the_secret_asks_for_it(source: str, blank: str) -> None:
    with pytest.raises(FixCredentialsError, match=r"no AppSecret \(password\)"):
        made_of(app_secret=blank, token_source=source)


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({"app_id": "\ud800", "app_secret": "s"}, r"AppID \(login\)"),
        ({"app_secret": "\ud800"}, r"AppSecret \(password\)"),
    ],
)
def test_what_is_no_whole_text_is_refused_by_its_field(given: dict[str, str], label: str) -> None:
    with pytest.raises(FixCredentialsError, match=f"^{label} in the connection holds half a character"):
        made_of(**given)


@pytest.mark.parametrize("app_id", ["wx微信", "wx1\n2", "wx1\x00"])
def test_an_app_id_is_of_characters_that_a_header_may_have(app_id: str) -> None:
    with pytest.raises(
        FixCredentialsError,
        match=r"^AppID \(login\) in the connection holds characters that no AppID has\. What",
    ):
        made_of(app_id=app_id, app_secret="s")


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"token_source": "supplied", "access_token": "t"},
        AUTHORIZER | {"component_access_token": "c"},
        {"token_source": "none"},
    ],
)
def test_every_source_asks_for_an_app_id(extra: dict[str, Any]) -> None:
    with pytest.raises(FixCredentialsError, match=r"no AppID \(login\)"):
        made_of(app_id=" ", app_secret="s", **extra)


@pytest.mark.parametrize("host", ["api", "api2", "sh.api", "sz.api", "hk.api"])
def test_plain_http_to_wechat_is_for_those_who_send_no_secret(host: str) -> None:
    made_of(base_url=f"http://{host}.weixin.qq.com", token_source="none")

    for extra in ({}, {"token_source": "supplied", "access_token": "t"}):
        with pytest.raises(ValueError, match="plain http would show the AppSecret"):
            made_of(app_secret="s", base_url=f"http://{host}.weixin.qq.com", **extra)


@pytest.mark.parametrize(
    "url", ["http://weixin.qq.com.example", "http://evilweixin.qq.com", "http://10.0.0.1"]
)
def test_plain_http_to_anybody_else_is_refused_even_without_a_token(url: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        made_of(base_url=url, token_source="none")


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy:3128",
        "socks5://p:1",
        "http://p",
        "http://:80",
        "http://p:no",
        "http://[::1",
        "http://u\\\\x:p@h:80",
        "http://u:p/x@h:80",
        "http://u:密@h:80",
        "http://h:80/x",
        "http://h:80?x",
        "http://h:80#x",
        "http://u\\x:p@h:80",
    ],
)
def test_a_proxy_that_is_none_is_refused_by_its_field(proxy: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"^proxy in the connection's Extra is not allowed: give http://HOST:PORT, or "
        r"http://USER:PASSWORD@HOST:PORT with everything but letters and digits percent-encoded$",
    ):
        made_of(app_secret="s", proxy=proxy)


def test_a_ca_bundle_that_holds_certificates_is_accepted(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    made_of(app_secret="s", ca_bundle=str(tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    "proxy", ["http://proxy:3128", "https://u:p%40ss@[::1]:80", "http://u@proxy.example:3128"]
)
def test_a_proxy_is_accepted_with_or_without_a_password(proxy: str) -> None:
    made_of(app_secret="s", proxy=proxy)


def test_a_ca_bundle_whose_name_is_none_is_refused_by_its_field() -> None:
    with pytest.raises(ValueError, match=r"^ca_bundle="):
        made_of(app_secret="s", ca_bundle="a\0b")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_bundle_that_holds_none_is_refused_by_its_field(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)

    with pytest.raises(ValueError, match=r"^ca_bundle='.*ca\.pem' in the connection's Extra cannot be used"):
        made_of(app_secret="s", ca_bundle=str(tmp_path / "ca.pem"))


def test_keys_of_a_wrong_length_are_refused_before_anything_is_asked() -> None:
    keys = dict.fromkeys(("sym_sn", "private_key", "certificate", "certificate_sn"), "something")

    with pytest.raises(ValueError, match="sym_key"):
        made_of(app_secret="s", sym_key="c2hvcnQ=", **keys)


def test_the_repr_tells_no_secret() -> None:
    settings = Settings(
        "wx1", "the-secret", options=Options.read({"token_source": "supplied", "access_token": "68_t"})
    )

    assert "the-secret" not in repr(settings)
    assert "68_t" not in repr(settings)


# What a connection says reaches who needs it

TOKEN_PATH = "/keys/token"
STALE = {"errcode": 40001, "errmsg": "invalid credential rid: 1-2-3"}
THE_ROW = {
    "list": [{"ref_date": "20250313", "session_cnt": 4, "visit_pv": 9, "visit_uv": 3, "visit_uv_new": 1}]
}


def fetched(client: WeChatClient) -> list[Row]:
    return client.fetch(DAILY, DAILY.granularity.period_of(date(2025, 3, 13)))


def client_to(server: ScriptedServer, options: Any = {}, **arguments: Any) -> WeChatClient:  # noqa: B006
    settings = Settings("wx1", "the-secret", server.url, Options.read(options), **arguments)
    return client_from(settings, tries=1)


def giving(name: str, token: str) -> dict[str, Any]:
    return {name: token, "expires_in": 7200}


def test_stable_tokens_are_asked_for_with_app_id_and_secret(server: ScriptedServer) -> None:
    server.on(STABLE_TOKEN_PATH, giving("access_token", "t1"), giving("access_token", "t2"))
    server.on(DAILY.path, STALE, THE_ROW)

    [row] = fetched(client_to(server))

    assert row["app_id"] == "wx1"
    asked = server.asked(STABLE_TOKEN_PATH)[0].json
    assert (asked["appid"], asked["secret"]) == ("wx1", "the-secret")
    assert [request.query["access_token"] for request in server.asked(DAILY.path)] == [["t1"], ["t2"]]


def test_classic_tokens_are_asked_for_with_app_id_and_secret(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server.on(CLASSIC_TOKEN_PATH, giving("access_token", "t1"))
    server.on(DAILY.path, THE_ROW)

    fetched(client_to(server, {"token_source": "classic"}))

    asked = server.asked(CLASSIC_TOKEN_PATH)[0].query
    assert (asked["appid"], asked["secret"]) == (["wx1"], ["the-secret"])


def test_a_client_that_does_not_renew_asks_once(server: ScriptedServer) -> None:
    server.on(STABLE_TOKEN_PATH, giving("access_token", "t1"))
    server.on(DAILY.path, STALE, THE_ROW)
    settings = Settings("wx1", "the-secret", server.url)

    with pytest.raises(RenewTokenError):
        fetched(client_from(settings, tries=1, renews=False))


def test_the_tries_are_the_ones_that_were_wanted(server: ScriptedServer) -> None:
    served = {"token_source": "supplied", "token_url": f"{server.url}{TOKEN_PATH}"}
    server.on(TOKEN_PATH, DROPPED)
    server.on(STABLE_TOKEN_PATH, DROPPED)

    for options in ({}, served):
        with pytest.raises(TryAgainError):
            fetched(client_to(server, options))

    assert len(server.requests) == 2


def test_a_given_token_is_read_again_from_the_connection(server: ScriptedServer) -> None:
    server.on(DAILY.path, STALE, THE_ROW)
    given = {"token_source": "supplied", "access_token": "68_first"}
    later = Options.read(given | {"access_token": "68_later"})

    fetched(client_to(server, given, reread=lambda: later))

    assert [request.query["access_token"] for request in server.asked(DAILY.path)] == [
        ["68_first"],
        ["68_later"],
    ]


def test_a_given_token_that_nobody_replaces_is_refused_by_its_field(server: ScriptedServer) -> None:
    server.on(DAILY.path, STALE)

    with pytest.raises(RenewTokenError, match="WeChat refuses access_token in the connection's Extra"):
        fetched(client_to(server, {"token_source": "supplied", "access_token": "68_first"}))


def test_a_token_server_is_asked_as_the_connection_says_and_past_its_proxy(server: ScriptedServer) -> None:
    server.on(TOKEN_PATH, {"data": {"token": "t1", "until": 100}})
    paths = {"token_path": "data.token", "expires_path": "data.until"}
    network = {"timeout": "5", "proxy": "http://u:p@127.0.0.1:1"}
    url = f"{server.url}{TOKEN_PATH}?key=k"

    client = client_to(server, {"token_source": "supplied", "token_url": url} | paths | network)
    tokens = client._tokens

    assert isinstance(tokens, TokenServer)
    assert tokens.token() == "t1"
    assert tokens._held and tokens._held.good_until - time.monotonic() < 100
    assert server.requests[0].query == {"key": ["k"]}
    assert tokens._transport._network == Network(5.0)
    assert client._transport._network == Network(5.0, Secret("http://u:p@127.0.0.1:1"))


def test_the_bundle_of_certificates_is_for_both(tmp_path: Path) -> None:
    bundle = str(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(bundle)

    client = made_of(token_source="supplied", token_url="https://tokens.example/t", ca_bundle=bundle)

    assert isinstance(client._tokens, TokenServer)
    assert client._transport._network == client._tokens._transport._network == Network(ca_bundle=bundle)


def test_a_platform_gets_its_token_with_all_that_the_connection_says(server: ScriptedServer) -> None:
    refused = {"errcode": 61023, "errmsg": "refresh_token is invalid rid: 1-2-3"}
    given = {**AUTHORIZER, "component_access_token": "the-component-token"}
    later = Options.read(given | {"authorizer_refresh_token": "another-refresh-token"})
    changed = giving("authorizer_access_token", "t1") | {"authorizer_refresh_token": "the-third-one"}
    server.on(AUTHORIZER_TOKEN_PATH, refused, changed)
    server.on(DAILY.path, THE_ROW)
    kept: list[Secret] = []

    fetched(client_to(server, given, reread=lambda: later, keep_refresh_token=kept.append))

    assert kept == ["the-third-one"]
    assert [request.query for request in server.asked(AUTHORIZER_TOKEN_PATH)] == [
        {"component_access_token": ["the-component-token"]}
    ] * 2
    assert [request.json for request in server.asked(AUTHORIZER_TOKEN_PATH)] == [
        {"component_appid": "wxplatform", "authorizer_appid": "wx1", "authorizer_refresh_token": token}
        for token in ("the-refresh-token", "another-refresh-token")
    ]


def test_a_component_token_that_is_refused_is_named(server: ScriptedServer) -> None:
    given = {**AUTHORIZER, "component_access_token": "the-component-token"}
    server.on(AUTHORIZER_TOKEN_PATH, STALE)

    with pytest.raises(RenewTokenError, match="WeChat refuses component_access_token in the connection's"):
        fetched(client_to(server, given))


def test_a_cloud_function_is_called_as_the_connection_says(server: ScriptedServer) -> None:
    server.on(STABLE_TOKEN_PATH, giving("access_token", "t1"))
    server.on(INVOKE_PATH, {"errcode": 0, "resp_data": json.dumps(THE_ROW)})

    fetched(client_to(server, {"route": "cloud_function", "cloud_env": "e", "cloud_function_name": "f"}))

    assert server.asked(INVOKE_PATH)[0].query == {"env": ["e"], "name": ["f"], "access_token": ["t1"]}


def test_inside_cloud_run_the_base_url_says_whether_a_token_is_sent() -> None:
    def token(base_url: str) -> Secret:
        return made_of(base_url=base_url, token_source="none")._tokens.token()

    assert token("http://api.weixin.qq.com") == ""
    with pytest.raises(FixCredentialsError, match="token_source=none over https"):
        token("https://api.weixin.qq.com")


# Whatever a connection says


hosts = st.one_of(
    st.sampled_from(("127.0.0.1", "localhost", "[::1]", "api.weixin.qq.com", "10.0.0.1", "evil.example")),
    any_text,
)
base_urls = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(("", "http://", "https://", "HTTP://", "ftp://", "//", "https://evil.example://")),
    st.sampled_from(("", "", "", "u:p@", "@", "\\", "\t", "%2f")),
    hosts,
    st.sampled_from(("", "", ":8000", ":", ":99999", ":x", ":80:90", "@evil.example", "\\@evil.example")),
    st.sampled_from(("", "/", "/wx", "?a=b", "#", "/../..", " ", "\n", ";x", "\0")) | any_text,
)
sources = st.sampled_from(
    [
        {},
        {"token_source": "classic"},
        {"token_source": "supplied", "access_token": "68_token"},
        AUTHORIZER | {"component_access_token": "c"},
        {"token_source": "none"},
        {"route": "cloud_function", "cloud_env": "e", "cloud_function_name": "f"},
    ]
)
texts = any_text | st.just("wx1")


@fuzzed(
    "whatever a connection says: no other host is asked than the one that was checked, and no other error",
    texts,
    texts,
    base_urls,
    st.builds(dict.__or__, sources, st.dictionaries(st.sampled_from(list(OPTIONS)), texts, max_size=2)),
    few=200,
)
@example("wx1", "s", "http://127.0.0.1\t.evil.example", {})
@example("wx1", "s", "http://127.0.0.1\\.evil.example", {})
@example("wx1", "s", "http://localhost\n:80", {})
@example("wx1", "\ud800", "", {})
@example("\ud800", "s", "", {"token_source": "classic"})
def test_no_connection_leads_elsewhere(
    app_id: str, app_secret: str, base_url: str, extra: dict[str, Any]
) -> None:
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> NoReturn:
        asked.append(host)
        raise OSError("nobody is asked")

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", folder)
        patch.setattr("socket.getaddrinfo", look_up)
        try:
            settings = Settings(app_id, app_secret, base_url or DEFAULT_BASE_URL, Options.read(extra))
            client = client_from(settings, tries=1)
        except (FixCredentialsError, ValueError) as error:
            expect_ours(error, FixCredentialsError, ValueError)
            return
        with suppress(WeChatError):
            client.fetch(DAILY, DAILY.granularity.period_of(date(2025, 3, 13)))

    served = [split_token_url(url)[0]] if (url := extra.get("token_url", "").strip()) else []
    checked = [client.base_url, *served]
    assert {host.strip("[]").lower() for host in asked} <= {_as_looked_up(url) for url in checked}


def _as_looked_up(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return "a name that cannot be looked up"
