from __future__ import annotations

import tempfile
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
from airflow_wechat.client.errors import FixCredentialsError, WeChatError
from airflow_wechat.client.options import OPTIONS, Options
from airflow_wechat.client.reports import get_report
from airflow_wechat.client.token_sources.authorizer import AuthorizerToken
from airflow_wechat.client.token_sources.classic import ClassicToken
from airflow_wechat.client.token_sources.cloud_run import CloudRunToken
from airflow_wechat.client.token_sources.stable import StableToken
from airflow_wechat.client.token_sources.supplied import GivenToken, TokenServer, split_token_url
from fuzzing import any_text, expect_ours, fuzzed


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
    ],
)
def test_a_proxy_that_is_none_is_refused_by_its_field(proxy: str) -> None:
    with pytest.raises(
        ValueError, match=r"^proxy in the connection's Extra is not allowed: give http://HOST:PORT"
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


# Whatever a connection says

DAILY = get_report("daily_visit_trend")

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
