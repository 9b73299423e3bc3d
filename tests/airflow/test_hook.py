"""The hook: what a connection may say, and what the Test button answers."""

from __future__ import annotations

import json
import weakref
from datetime import date
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import Connection
from hypothesis import example
from hypothesis import strategies as st

from airflow_wechat.client.errors import FixCredentialsError
from airflow_wechat.client.options import OPTIONS, SEALING
from airflow_wechat.client.periods import Granularity
from airflow_wechat.hooks.wechat import WeChatHook, client_of
from airflow_wechat.sandbox import Sandbox
from fuzzing import any_text, expect_ours, fuzzed, json_values
from runs import connect

YESTERYEAR = Granularity.DAILY.period_of(date(2025, 3, 13))


def test_it_fetches_a_period_by_the_reports_name(wechat):
    rows = WeChatHook().fetch("daily_visit_trend", YESTERYEAR)

    assert [(row["app_id"], row["ref_date"]) for row in rows] == [(wechat.app.app_id, "20250313")]


def test_all_calls_of_a_hook_share_one_token(wechat):
    hook = WeChatHook()

    hook.fetch("daily_visit_trend", YESTERYEAR)
    hook.fetch("daily_visit_trend", YESTERYEAR.next)

    paths = [request.path for request in wechat.requests]
    assert paths.count("/cgi-bin/stable_token") == 1


def test_get_conn_gives_the_client(wechat):
    hook = WeChatHook()

    assert hook.get_conn() is hook.client


def test_hooks_of_one_connection_may_share_a_client(wechat):
    assert WeChatHook().shared_client is WeChatHook().shared_client is not WeChatHook().client


@pytest.mark.parametrize(
    "change",
    [
        {"password": "another"},
        {"login": "wx2"},
        {"extra": '{"timeout": "5"}'},
        {"host": "http://127.0.0.1:9"},
    ],
)
def test_a_connection_that_says_something_else_by_now_gets_a_shared_client_of_its_own(connect_wechat, change):
    connect_wechat()
    before = WeChatHook()
    client = before.shared_client
    connect_wechat(**change)

    assert WeChatHook().shared_client is not client
    assert before.shared_client is client


def test_a_shared_client_lives_only_as_long_as_a_hook_has_it(wechat):
    hook = WeChatHook()
    client = weakref.ref(hook.shared_client)
    del hook

    assert client() is None


@pytest.mark.parametrize("blank", [None, "", "  "])
@pytest.mark.parametrize(("field", "label"), [("login", "AppID"), ("password", "AppSecret")])
def test_a_connection_without_credentials_is_refused_before_any_request(
    connect_wechat, sandbox, field, label, blank
):
    connect_wechat(**{field: blank})

    with pytest.raises(FixCredentialsError, match=rf"no {label} \({field}\)"):
        WeChatHook().fetch("daily_visit_trend", YESTERYEAR)

    assert sandbox.requests == []


@pytest.mark.parametrize("conn_type", ["aws", "http", "WeChat"])
def test_the_password_of_a_connection_of_another_type_goes_nowhere(connect_wechat, sandbox, conn_type):
    connect_wechat(conn_type=conn_type)

    with pytest.raises(ValueError, match=f"is of the type '{conn_type}': give one of the type 'wechat'"):
        WeChatHook().fetch("daily_visit_trend", YESTERYEAR)

    assert sandbox.requests == []


@pytest.mark.parametrize("host", ["http://api.weixin.qq.com", "http://10.0.0.1", "ftp://api.weixin.qq.com"])
def test_a_base_url_that_would_show_the_secret_is_refused(connect_wechat, host):
    connect_wechat(host=host)

    with pytest.raises(ValueError, match="not allowed"):
        _ = WeChatHook().client


@pytest.mark.parametrize("timeout", ["soon", 0, -1, "nan", "inf", [1]])
def test_a_timeout_that_is_no_time_is_refused(connect_wechat, timeout):
    connect_wechat(extra={"timeout": timeout})

    with pytest.raises(ValueError, match="timeout="):
        _ = WeChatHook().client


@pytest.mark.parametrize("extra", ['{"token_source": "supplied",}', "{", "token_source=supplied"])
def test_an_extra_that_is_no_json_is_refused_and_no_secret_sent(connect_odd_extra, sandbox, extra):
    connect_odd_extra(extra)

    with pytest.raises(ValueError, match="Extra is no JSON: correct it"):
        WeChatHook().fetch("daily_visit_trend", YESTERYEAR)

    assert sandbox.requests == []


def test_blanks_around_app_id_and_secret_are_not_part_of_them(connect_wechat, sandbox):
    connect_wechat(login=f" {sandbox.app.app_id}\n", password=f"{sandbox.app.secret} ")

    [row] = WeChatHook().fetch("daily_visit_trend", YESTERYEAR)

    assert row["app_id"] == sandbox.app.app_id


def test_the_test_button_promises_nothing_where_nothing_can_be_tried(connect_wechat):
    connect_wechat(extra={"token_source": "none"}, host="http://127.0.0.1:1")

    assert WeChatHook().test_connection() == (
        True,
        "The connection is complete; whether WeChat agrees, only a report shows",
    )


@pytest.mark.parametrize("extra", ["5", "[1]", '"text"'])
def test_an_extra_that_is_no_object_is_refused(connect_odd_extra, extra):
    connect_odd_extra(extra)

    with pytest.raises(ValueError, match="expected a JSON object"):
        _ = WeChatHook().client


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"token_source": "nowhere"}, "token_source"),
        ({"access_token": "68_token"}, "access_token"),
        ({"route": "cloud_function"}, "cloud_env"),
        ({"token_source": "supplied", "token_url": "http://tokens.example"}, "token_url"),
        (dict.fromkeys(SEALING, "eA=="), "sym_key"),
        ({"proxy": "proxy.example"}, "proxy"),
        ({"ca_bundle": "/nowhere"}, "ca_bundle"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_by_its_name_before_any_request(
    connect_wechat, sandbox, extra, name
):
    connect_wechat(extra=extra)

    with pytest.raises(ValueError, match=rf"\b{name}\b.*connection's Extra"):
        WeChatHook().fetch("daily_visit_trend", YESTERYEAR)

    assert sandbox.requests == []


def test_a_connection_by_uri_works_as_one_by_json(sandbox, monkeypatch):
    address = sandbox.url.replace(":", "%3A").replace("/", "%2F")
    uri = f"wechat://{sandbox.app.app_id}:{sandbox.app.secret}@{address}"
    monkeypatch.setenv("AIRFLOW_CONN_WECHAT_DEFAULT", uri)

    assert WeChatHook().fetch("daily_visit_trend", YESTERYEAR)


def test_a_connection_without_host_asks_wechat_itself():
    client = client_of(Connection(conn_id="c", conn_type="wechat", login="wx1", password="s"))

    assert client._transport.base_url == "https://api.weixin.qq.com"


def test_a_port_in_the_connection_is_kept():
    connection = Connection(
        conn_id="c", conn_type="wechat", login="wx1", password="s", host="gate.example/wx", port=8443
    )

    assert client_of(connection)._transport.base_url == "https://gate.example:8443/wx"


def test_the_test_button_accepts_the_right_secret(wechat):
    passed, message = WeChatHook().test_connection()

    assert passed
    assert wechat.app.app_id in message


def test_the_test_button_tells_a_wrong_secret(connect_wechat):
    connect_wechat(password="wrong-secret")

    passed, message = WeChatHook().test_connection()

    assert not passed
    assert "40125" in message
    assert "correct the AppSecret" in message
    assert "wrong-secret" not in message


def test_the_test_button_names_an_address_that_is_not_on_the_allow_list(monkeypatch):
    with Sandbox(allow_list=("203.0.113.7",)) as strict:
        connect(monkeypatch, "wechat_default", strict.connection)

        passed, message = WeChatHook().test_connection()

    assert not passed
    assert "40164" in message
    assert "127.0.0.1" in message
    assert "allow-list" in message


def test_the_test_button_tells_what_is_missing(connect_wechat):
    connect_wechat(login="")

    assert WeChatHook().test_connection()[0] is False


def test_the_test_button_asks_for_no_data(wechat):
    WeChatHook().test_connection()

    assert [request.path for request in wechat.requests] == ["/cgi-bin/stable_token"]


hosts = (
    st.sampled_from((None, "api.weixin.qq.com", "http://127.0.0.1", "https://gate.example/wx", "[::1]"))
    | any_text
)
ports = st.none() | st.sampled_from((0, 80, 8443, 99999, -1)) | st.integers()
extras = st.dictionaries(st.sampled_from(list(OPTIONS)), any_text | json_values, max_size=2) | json_values


@fuzzed(
    "whatever the fields of a connection hold: a client of the host they name, or refused",
    st.none() | st.just("wx1") | any_text,
    st.none() | st.just("secret") | any_text,
    hosts,
    ports,
    extras.map(json.dumps) | any_text | st.none(),
    many=1_500,
)
@example("wx1", "s", "127.0.0.1:80", 90, None)
@example("wx1", "s", "http://127.0.0.1@evil.example", 80, "{}")
@example("wx1", "s", "http://127.0.0.1", 80, '{"proxy": "\\ud800"}')
@example("wx1", "s", None, None, "[" * 2_000)
def test_any_connection_gives_a_client_of_its_host_or_is_refused(login, password, host, port, extra):
    # Not Airflow's own class, which refuses some of it, each version another part.
    connection = SimpleNamespace(
        conn_id="c", conn_type="wechat", login=login, password=password, host=host, port=port, extra=extra
    )

    try:
        base_url = client_of(connection).base_url
    except (FixCredentialsError, ValueError) as error:
        expect_ours(error, FixCredentialsError, ValueError)
        return

    asked = urlsplit(base_url)
    assert asked.hostname in (host or "api.weixin.qq.com").lower()
    assert not port or asked.port == port
