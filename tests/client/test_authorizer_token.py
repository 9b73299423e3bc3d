from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from tenacity import wait_none

from airflow_wechat.client.errors import (
    AllowAddressError,
    AskPermissionError,
    CheckAnswerError,
    FixCredentialsError,
    WeChatError,
)
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.token_sources.authorizer import AUTHORIZER_TOKEN_PATH as PATH
from airflow_wechat.client.token_sources.authorizer import AuthorizerToken
from airflow_wechat.client.token_sources.supplied import GivenToken, TokenServer
from airflow_wechat.client.tokens import TokenSource
from airflow_wechat.client.transport import Transport
from client.scripted import ScriptedServer

REFRESH = Secret("refresh+token/of=the&mini program")
COMPONENT = Secret("component+token/of=the&platform x")


class Kept(list[str]):
    """What was handed over to be kept."""


@pytest.fixture
def kept() -> Kept:
    return Kept()


def source(
    server: ScriptedServer, kept: Kept, component: TokenSource | None = None, known: Secret = REFRESH
) -> AuthorizerToken:
    component = component or GivenToken(COMPONENT, "component_access_token")
    transport = Transport(server.url, waits=wait_none())
    return AuthorizerToken(transport, "wx1", "wxplatform", component, REFRESH, lambda: known, kept.append)


def giving(token: str, refresh_token: Any = REFRESH) -> dict[str, Any]:
    return {
        "authorizer_access_token": token,
        "expires_in": 7200,
        "authorizer_refresh_token": refresh_token,
    }


def test_the_platforms_token_and_the_refresh_token_are_exchanged(server: ScriptedServer, kept: Kept) -> None:
    server.on(PATH, giving("t1"))

    assert source(server, kept).token() == "t1"

    [request] = server.requests
    assert request.query == {"component_access_token": [COMPONENT]}
    assert request.json == {
        "component_appid": "wxplatform",
        "authorizer_appid": "wx1",
        "authorizer_refresh_token": REFRESH,
    }


def test_a_token_is_asked_for_once_and_again_after_a_refusal(server: ScriptedServer, kept: Kept) -> None:
    server.on(PATH, giving("t1"), giving("t2"))
    tokens = source(server, kept)

    assert [tokens.token(), tokens.token(), tokens.renewed(Secret("t1")), tokens.token()] == [
        *("t1", "t1"),
        *("t2", "t2"),
    ]


@pytest.mark.parametrize("same", [REFRESH, "", None, 7, "half a \ud800"])
def test_a_refresh_token_that_stays_is_not_kept_again(server: ScriptedServer, kept: Kept, same: Any) -> None:
    server.on(PATH, json.dumps(giving("t1", same)).encode())

    source(server, kept).token()

    assert kept == []


def test_a_changed_refresh_token_is_kept_told_of_and_used_from_then_on(
    server: ScriptedServer, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    server.on(PATH, giving("t1", "another-refresh-token"), giving("t2", "another-refresh-token"))
    tokens = source(server, kept)

    with caplog.at_level(logging.DEBUG):
        tokens.renewed(tokens.token())

    assert kept == ["another-refresh-token"]
    assert [request.json["authorizer_refresh_token"] for request in server.requests] == [
        REFRESH,
        "another-refresh-token",
    ]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "WeChat has changed the authorizer_refresh_token of wx1: the one in the connection's Extra ends in "
        "five minutes"
    ]
    assert "another-refresh-token" not in caplog.text


def test_a_changed_refresh_token_is_kept_even_where_the_rest_makes_no_sense(
    server: ScriptedServer, kept: Kept
) -> None:
    server.on(PATH, {"authorizer_refresh_token": "another-refresh-token"})

    with pytest.raises(CheckAnswerError, match=f"^from {PATH}: no authorizer_access_token"):
        source(server, kept).token()

    assert kept == ["another-refresh-token"]


def test_a_refresh_token_that_another_run_was_given_is_read_again(server: ScriptedServer, kept: Kept) -> None:
    server.on(PATH, {"errcode": 61023, "errmsg": "refresh_token is invalid"}, giving("t1", "the-newer-one"))

    assert source(server, kept, known=Secret("the-newer-one")).token() == "t1"
    assert [request.json["authorizer_refresh_token"] for request in server.requests] == [
        REFRESH,
        "the-newer-one",
    ]
    assert kept == []


def test_a_refresh_token_that_nobody_has_a_newer_of_is_asked_with_once(
    server: ScriptedServer, kept: Kept
) -> None:
    server.on(PATH, {"errcode": 61023, "errmsg": "refresh_token is invalid"})

    with pytest.raises(FixCredentialsError):
        source(server, kept).token()

    assert len(server.requests) == 1


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_a_stale_platform_token_is_asked_for_again(server: ScriptedServer, kept: Kept, errcode: int) -> None:
    server.on("/component", {"access_token": "c1"}, {"access_token": "c2"})
    server.on(PATH, {"errcode": errcode, "errmsg": "invalid credential"}, giving("t1"))
    component = TokenServer(f"{server.url}/component")

    assert source(server, kept, component).token() == "t1"
    assert [request.query["component_access_token"] for request in server.asked(PATH)] == [["c1"], ["c2"]]


def test_a_platform_token_that_stays_stale_ends_the_task(server: ScriptedServer, kept: Kept) -> None:
    server.on("/component", {"access_token": "c1"}, {"access_token": "c2"})
    server.on(PATH, {"errcode": 40001, "errmsg": "invalid credential rid: 1-2-3"})

    with pytest.raises(FixCredentialsError) as caught:
        source(server, kept, TokenServer(f"{server.url}/component")).token()

    assert str(caught.value) == (
        f"errcode 40001 from {PATH}: invalid credential rid: 1-2-3. What to do: see whether "
        "component_access_token, or what token_url gives, is the present token of the "
        "platform that component_appid names."
    )

    assert len(server.asked(PATH)) == 2


@pytest.mark.parametrize(
    ("errcode", "error", "advice"),
    [
        (61023, FixCredentialsError, "authorise the platform again"),
        (61007, AskPermissionError, "permission set 18"),
        (61004, AllowAddressError, "platform's allow-list"),
        (40013, FixCredentialsError, "AppID"),
    ],
)
def test_what_a_person_must_mend_is_said(
    server: ScriptedServer, kept: Kept, errcode: int, error: type[WeChatError], advice: str
) -> None:
    server.on(PATH, {"errcode": errcode, "errmsg": "words rid: 1-2-3"})

    with pytest.raises(error, match=advice) as caught:
        source(server, kept).token()

    assert not caught.value.retryable


@pytest.mark.parametrize("answer", [["68_CANARY"], b"68_CANARY", b"{'token': '68_CANARY'}"])
def test_an_answer_that_cannot_be_read_is_not_repeated(
    server: ScriptedServer, kept: Kept, answer: Any
) -> None:
    server.on(PATH, answer)

    with pytest.raises(CheckAnswerError) as caught:
        source(server, kept).token()

    assert "CANARY" not in str(caught.value)


def test_no_secret_is_told(server: ScriptedServer, kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    server.on(PATH, lambda request: {"errcode": 40013, "errmsg": f"{request.target} {REFRESH}"})

    with caplog.at_level(logging.DEBUG), pytest.raises(WeChatError) as caught:
        source(server, kept).token()

    told = str(caught.value) + caplog.text
    assert "refresh+token" not in told
    assert "component" not in told.replace("component_access_token", "").replace("/component/", "")
