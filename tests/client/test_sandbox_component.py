"""The sandbox's third-party platform, and the token server that hands its token out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_wechat.client.assembly import Settings, client_from
from airflow_wechat.client.secret import Secret
from airflow_wechat.sandbox import App, Sandbox
from client.sandboxed import AUTHORIZER, Caller, HandClock, settings_of

APPS = (App("wx1111111111111111", "one"), App("wx2222222222222222", "two"))
TOKEN = "/_sandbox/token"
COMPONENT_TOKEN = "/_sandbox/component_token"


@pytest.fixture
def sandbox(clock: HandClock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock, apps=APPS) as running:
        yield running


# /cgi-bin/component/api_authorizer_token


def test_an_answer_has_a_token_its_life_and_the_same_refresh_token(sandbox, caller):
    answer = caller.authorizer()

    assert set(answer) == {"authorizer_access_token", "expires_in", "authorizer_refresh_token"}
    assert answer["expires_in"] == 7200
    assert answer["authorizer_refresh_token"] == sandbox.component.refresh_token(APPS[0].app_id)
    assert caller.errcode(answer["authorizer_access_token"]) == 0


@pytest.mark.parametrize("name", ["access_token", "component_access_token"])
def test_both_names_of_wechats_pages_carry_the_component_token(sandbox, caller, name):
    body = {
        "component_appid": sandbox.component.app_id,
        "authorizer_appid": APPS[0].app_id,
        "authorizer_refresh_token": sandbox.component.refresh_token(APPS[0].app_id),
    }

    assert "authorizer_access_token" in caller.post(
        AUTHORIZER, body, **{name: sandbox.component.access_token}
    )


def test_each_token_is_new_and_leaves_the_former_five_minutes(caller, clock):
    old, new = (caller.authorizer()["authorizer_access_token"] for _ in range(2))

    assert new != old
    clock.turn_on(299)
    assert (caller.errcode(old), caller.errcode(new)) == (0, 0)
    clock.turn_on(1)
    assert (caller.errcode(old), caller.errcode(new)) == (40001, 0)


def test_it_leaves_the_apps_own_tokens_alone(caller, clock):
    stable, classic = caller.stable()["access_token"], caller.classic()["access_token"]

    for _ in range(2):
        caller.authorizer()
    clock.turn_on(301)

    assert (caller.errcode(stable), caller.errcode(classic)) == (0, 0)


def test_a_token_speaks_for_its_authorizer(sandbox, caller):
    refresh_token = sandbox.component.refresh_token(APPS[1].app_id)
    token = caller.authorizer(authorizer_appid=APPS[1].app_id, authorizer_refresh_token=refresh_token)[
        "authorizer_access_token"
    ]

    other = caller.stable(appid=APPS[1].app_id, secret=APPS[1].secret)["access_token"]

    assert caller.report("20261101", token=token) == caller.report("20261101", token=other)


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"token": ""}, 41001),
        ({"token": "wrong"}, 40001),
        ({"component_appid": "wxffffffffffffffff"}, 40013),
        ({"component_appid": None}, 40013),
        ({"authorizer_appid": "wxffffffffffffffff"}, 61007),
        ({"authorizer_appid": ["a"]}, 61007),
        ({"authorizer_refresh_token": "wrong"}, 61023),
        ({"authorizer_refresh_token": ""}, 61023),
        ({"authorizer_refresh_token": None}, 61023),
        ({"authorizer_refresh_token": ["a"]}, 61023),
        ({"authorizer_appid": APPS[1].app_id}, 61023),  # with the refresh token of the other
    ],
)
def test_what_is_wrong_is_named(caller, changes, errcode):
    assert caller.authorizer(**changes)["errcode"] == errcode


@pytest.mark.parametrize(
    ("method", "body", "errcode"), [("GET", b"", 43002), ("POST", b"", 44002), ("POST", b"x", 47001)]
)
def test_a_call_that_is_no_post_of_an_object_is_refused(sandbox, caller, method, body, errcode):
    query = {"access_token": sandbox.component.access_token}

    assert caller.send(method, AUTHORIZER, params=query, data=body).json()["errcode"] == errcode


def test_an_apps_own_token_is_no_component_token(caller):
    assert caller.authorizer(token=caller.stable()["access_token"])["errcode"] == 40001


def test_a_component_token_reads_no_reports(sandbox, caller):
    assert caller.errcode(sandbox.component.access_token) == 40001


def test_a_changed_component_token_ends_the_former_at_once(sandbox, caller):
    former = sandbox.component.access_token

    sandbox.change("component_access_token")

    assert caller.authorizer(token=former)["errcode"] == 40001
    assert "authorizer_access_token" in caller.authorizer()


# A changed refresh token


def test_a_refresh_token_changes_once_at_the_next_refresh(sandbox, caller):
    former = sandbox.component.refresh_token(APPS[0].app_id)
    sandbox.change("authorizer_refresh_token")

    changed = caller.authorizer(authorizer_refresh_token=former)["authorizer_refresh_token"]

    assert changed != former
    assert caller.authorizer(authorizer_refresh_token=changed)["authorizer_refresh_token"] == changed


def test_the_former_refresh_token_works_for_five_more_minutes(sandbox, caller, clock):
    former = sandbox.component.refresh_token(APPS[0].app_id)
    sandbox.change("authorizer_refresh_token")
    changed = caller.authorizer(authorizer_refresh_token=former)["authorizer_refresh_token"]

    clock.turn_on(299)
    assert caller.authorizer(authorizer_refresh_token=former)["authorizer_refresh_token"] == changed
    clock.turn_on(1)
    assert caller.authorizer(authorizer_refresh_token=former)["errcode"] == 61023


def test_a_refused_refresh_changes_nothing(sandbox, caller):
    former = sandbox.component.refresh_token(APPS[0].app_id)
    sandbox.change("authorizer_refresh_token")

    caller.authorizer(authorizer_refresh_token="wrong")

    assert sandbox.component.refresh_token(APPS[0].app_id) == former


def test_the_refresh_token_of_one_app_changes_without_the_others(sandbox, caller):
    others = sandbox.component.refresh_token(APPS[1].app_id)
    sandbox.change("authorizer_refresh_token", APPS[1])

    caller.authorizer()

    assert sandbox.component.refresh_token(APPS[1].app_id) == others


def test_our_client_keeps_a_changed_refresh_token():
    kept: list[Secret] = []
    with Sandbox() as sandbox:
        settings = settings_of(sandbox.connection_of(sandbox.app, "authorizer"))
        sandbox.change("authorizer_refresh_token")

        client_from(
            Settings(
                settings.app_id,
                base_url=settings.base_url,
                options=settings.options,
                keep_refresh_token=kept.append,
            )
        ).check_credentials()

        assert kept == [sandbox.component.refresh_token(sandbox.app.app_id)]


# Permission


def test_an_app_may_leave_the_platform_and_come_back(sandbox, caller):
    token = caller.authorizer()["authorizer_access_token"]

    sandbox.revoke("component")

    assert (caller.errcode(token), caller.authorizer()["errcode"]) == (61007, 61007)
    assert caller.errcode(caller.stable()["access_token"]) == 0
    sandbox.grant("component")
    assert caller.errcode(token) == 0


def test_reports_may_be_forbidden_and_permitted_again(sandbox, caller):
    token = caller.stable()["access_token"]

    sandbox.revoke("reports")
    assert caller.errcode(token) == 48001
    sandbox.grant("reports")
    assert caller.errcode(token) == 0


@pytest.mark.parametrize("act", [Sandbox.revoke, Sandbox.grant])
def test_a_permission_that_there_is_not_is_named_with_those_there_are(sandbox, act):
    with pytest.raises(ValueError, match="'report' is not allowed: give reports, component, cloud_function"):
        act(sandbox, "report")


def test_a_change_that_there_is_not_is_named_with_those_there_are(sandbox):
    with pytest.raises(ValueError, match="'weather' is not allowed: give authorizer_refresh_token, "):
        sandbox.change("weather")


# The token server


def served(caller: Caller, path: str, **query: str) -> Any:
    return caller.send("GET", path, params={"key": caller.sandbox.token_server.key} | query)


def test_the_token_server_gives_an_apps_stable_token_with_what_is_left_of_it(caller, clock):
    token = caller.stable()["access_token"]
    clock.turn_on(100)

    answer = served(caller, TOKEN, app=APPS[0].app_id)

    assert answer.json() == {"data": {"access_token": token, "expires_in": 7100}}


def test_the_token_server_gives_the_component_token(sandbox, caller):
    data = served(caller, COMPONENT_TOKEN).json()["data"]

    assert data == {"access_token": sandbox.component.access_token, "expires_in": 7200}


@pytest.mark.parametrize("path", [TOKEN, COMPONENT_TOKEN])
@pytest.mark.parametrize("query", [{"key": "wrong"}, {"key": ""}])
def test_a_wrong_key_gets_403_and_no_token(caller, path, query):
    response = served(caller, path, app=APPS[0].app_id, **query)

    assert (response.status_code, response.json()) == (403, {"error": "the key is wrong"})


def test_the_token_server_knows_no_other_app_and_no_other_method(sandbox, caller):
    assert served(caller, TOKEN, app="wxffffffffffffffff").status_code == 404
    assert served(caller, TOKEN).status_code == 404
    assert caller.send("POST", TOKEN, params={"key": sandbox.token_server.key}).status_code == 405


def test_the_token_server_is_in_the_journal_and_can_be_scripted(sandbox, caller):
    sandbox.answer_next(COMPONENT_TOKEN, 503)

    assert served(caller, COMPONENT_TOKEN).status_code == 503
    assert served(caller, COMPONENT_TOKEN).status_code == 200
    assert [request.answered for request in sandbox.requests] == [503, 0]
