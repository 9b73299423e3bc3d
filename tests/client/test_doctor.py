"""What the doctor finds on the way to WeChat: the connection, a token, this machine's address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_wechat.client.periods import Granularity, latest_complete
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.client.token_sources.authorizer import AUTHORIZER_TOKEN_PATH
from airflow_wechat.doctor.checks import examine
from airflow_wechat.doctor.findings import State, as_json, exit_status
from airflow_wechat.doctor.wechat import address_in
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.token_server import APP_TOKEN_PATH, COMPONENT_TOKEN_PATH
from client.examined import examined, patient_by, refusal, states
from client.sandboxed import CLASSIC, DAILY, QUOTA, STABLE

OK, WARNING, FAILED, SKIPPED = State.OK, State.WARNING, State.FAILED, State.SKIPPED
ROADS = [
    "stable",
    "classic",
    "supplied",
    "token_server",
    "authorizer",
    "authorizer_by_server",
    "cloud_function",
]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the classic token that a machine's workers share out of the machine's own folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(publish_hour=0) as running:
        yield running


# All is well


@pytest.mark.parametrize("road", ROADS)
def test_on_every_road_that_is_open_nothing_is_found_wrong(sandbox: Sandbox, road: str) -> None:
    found = examined(sandbox, road, reports=REPORTS.values())

    assert {finding.state for finding in found.values()} <= {OK, SKIPPED}
    assert [found[f"permission {name}"].state for name in REPORTS] == [OK] * len(REPORTS)
    assert exit_status(found.values()) == 0


@pytest.mark.parametrize(("road", "rule"), [("cloud_run", "cloud_run"), ("sealed", "sealed")])
def test_so_it_is_on_the_roads_that_an_account_must_ask_for(road: str, rule: str) -> None:
    with Sandbox(publish_hour=0, **{rule: True}) as sandbox:
        found = examined(sandbox, road)

    assert {finding.state for finding in found.values()} <= {OK, SKIPPED}
    assert states(found, "permission", "newest") == [OK, OK]


def test_the_newest_period_is_named(sandbox: Sandbox) -> None:
    found = examined(sandbox)

    yesterday = latest_complete(Granularity.DAILY, sandbox.clock())
    assert found["newest daily_visit_trend"].words == f"{yesterday} is published"


def test_the_connection_is_described_without_its_secrets(sandbox: Sandbox) -> None:
    words = examined(sandbox, "cloud_function")["connection"].words

    assert words == (f"AppID {sandbox.app.app_id}, token_source=stable, route=cloud_function, {sandbox.url}")


# The connection


@pytest.mark.parametrize(
    ("changes", "words", "to_do"),
    [
        ({"login": ""}, "no AppID (login)", "correct AppID (login) and AppSecret (password)"),
        ({"password": " "}, "no AppSecret (password)", "correct AppID (login) and AppSecret (password)"),
        ({"host": "http://10.0.0.1"}, "base URL 'http://10.0.0.1' is not allowed", "correct the connection"),
        (
            {"extra": {"token_source": "magic"}},
            "token_source='magic' is not allowed",
            "correct the connection",
        ),
        ({"extra": {"route": "cloud_function"}}, "needs cloud_env", "correct the connection"),
    ],
)
def test_a_connection_that_is_not_complete_ends_all_but_the_database(
    sandbox: Sandbox, changes: dict[str, Any], words: str, to_do: str
) -> None:
    found = examined(sandbox, changes=changes)

    first, *others = found.values()
    assert (first.check, first.state) == ("connection", FAILED)
    assert words in first.words
    assert to_do in first.to_do
    assert {other.words for other in others} == {"connection failed", "no sql_conn_id is given"}
    assert sandbox.requests == []


# The token


def test_a_wrong_secret_fails_and_what_needs_a_token_is_skipped(sandbox: Sandbox) -> None:
    found = examined(sandbox, changes={"password": "another-secret"})

    assert found["token"].state is FAILED
    assert found["token"].words.startswith(f"errcode 40125 from {STABLE}: invalid appsecret rid: ")
    assert "correct the AppSecret" in found["token"].to_do
    assert states(found, "permission", "newest", "quota") == [SKIPPED] * 3
    assert found["newest daily_visit_trend"].words == "token failed"
    assert (found["ip"].state, found["clock"].state) == (SKIPPED, OK)


@pytest.mark.parametrize("trouble", [refusal(-1), 503, ConnectionError])
def test_a_token_that_does_not_come_is_not_asked_for_again(sandbox: Sandbox, trouble: Any) -> None:
    sandbox.answer_next(STABLE, trouble)

    found = examined(sandbox)

    assert found["token"].state is FAILED
    assert "run the check again" in found["token"].to_do
    assert [request.path for request in sandbox.requests] == [STABLE]


def test_a_supplied_token_is_tried_on_the_quota_call(sandbox: Sandbox) -> None:
    fields = {"token_source": "supplied", "access_token": "a-token-long-gone"}

    found = examined(sandbox, changes={"extra": fields})

    assert found["token"].state is FAILED
    assert "errcode 40001" in found["token"].words
    assert "put a token that is good into access_token" in found["token"].to_do
    assert [request.path for request in sandbox.requests] == [QUOTA]


def test_where_only_the_quota_call_is_refused_the_reports_are_asked_all_the_same(sandbox: Sandbox) -> None:
    sandbox.answer_next(QUOTA, refusal(48001), refusal(48001))

    found = examined(sandbox, "supplied")

    assert found["token"].state is WARNING
    assert states(found, "permission", "quota") == [OK, WARNING]


def test_a_token_server_that_gives_none_fails(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/_sandbox/token?app={sandbox.app.app_id}&key=wrong-key"
    fields = {"token_source": "supplied", "token_url": url}

    found = examined(sandbox, changes={"extra": fields})

    assert found["token"].state is FAILED
    assert found["token"].words.startswith("from token_url: HTTP 403")


def test_the_shared_classic_token_is_used_and_none_is_made(sandbox: Sandbox) -> None:
    examined(sandbox, "classic")
    made = [request for request in sandbox.requests if request.path == CLASSIC]
    sandbox.answer_next(CLASSIC, refusal(40125))

    found = {f.check: f for f in examine(patient_by(sandbox.connection_of(sandbox.app, "classic")))}

    assert found["token"].state is OK
    assert len(made) == 1 == len([request for request in sandbox.requests if request.path == CLASSIC])


# The address


def test_the_address_that_wechat_refuses_is_named_in_a_line_of_its_own() -> None:
    with Sandbox(allow_list=("203.0.113.7",)) as sandbox:
        found = examined(sandbox)

    assert (found["token"].state, found["ip"].state) == (FAILED, FAILED)
    assert found["ip"].words == "WeChat sees 127.0.0.1 and refuses it"
    assert found["ip"].to_do.startswith("add 127.0.0.1 to the allow-list in WeChat's console")


@pytest.mark.parametrize(
    ("errmsg", "address"),
    [
        (
            "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 6130-1b1ad127-7d",
            "203.0.113.7",
        ),
        ("access clientip is not registered requestIP: 203.0.113.7", "203.0.113.7"),
        ("invalid ip 2001:db8::7, not in whitelist", "2001:db8::7"),
        ("admin must confirm rid: 613f14c0-1b1ad127-7d3cab45 at 10:20:30", None),
    ],
)
def test_the_address_is_found_in_wechats_words(errmsg: str, address: str | None) -> None:
    assert address_in(errmsg) == address


def test_the_platforms_allow_list_counts_as_well(sandbox: Sandbox) -> None:
    words = "access clientip is not registered requestIP: 203.0.113.7"
    sandbox.answer_next("/cgi-bin/component/api_authorizer_token", refusal(61004, words))

    found = examined(sandbox, "authorizer")

    assert found["ip"].to_do == "add 203.0.113.7 to the platform's allow-list"


# What nobody may read


def echoes(sandbox: Sandbox) -> dict[str, str]:
    """Return, by path, what callers send there that nobody may read."""
    token, platform = sandbox.stable_token(sandbox.app), sandbox.component
    return {
        STABLE: sandbox.app.secret,
        CLASSIC: sandbox.app.secret,
        QUOTA: token,
        DAILY.path: token,
        APP_TOKEN_PATH: sandbox.token_server.key,
        COMPONENT_TOKEN_PATH: sandbox.token_server.key,
        AUTHORIZER_TOKEN_PATH: f"{platform.access_token} {platform.refresh_token(sandbox.app.app_id)}",
    }


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("trouble", [None, "echo", ConnectionError])
def test_no_finding_and_no_log_line_holds_a_secret(
    sandbox: Sandbox, road: str, trouble: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for path, secret in echoes(sandbox).items() if trouble else ():
        sandbox.answer_next(path, refusal(48001, f"you said {secret}") if trouble == "echo" else trouble)

    found = examined(sandbox, road)

    told = as_json([*found.values()]) + "".join(map(str, found.values())) + caplog.text
    secrets = {*" ".join(echoes(sandbox).values()).split(), *sent_in_queries(sandbox)}
    assert not [secret for secret in secrets if secret in told or quote(secret, safe="") in told]


def sent_in_queries(sandbox: Sandbox) -> set[str]:
    names = ("access_token", "component_access_token", "secret", "key")
    return {request.query[name] for request in sandbox.requests for name in names if name in request.query}
