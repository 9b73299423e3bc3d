"""The sandbox hands out tokens, and takes them back, by WeChat's rules."""

from __future__ import annotations

import re

import pytest

from airflow_wechat.sandbox import App, Sandbox
from client.sandboxed import Caller

RID = re.compile(r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$")


def test_a_stable_token_is_the_same_for_everyone_and_says_how_long_it_lives(caller, clock):
    first = caller.stable()
    clock.turn_on(100)

    second = caller.stable()

    assert first["expires_in"] == 7200
    assert second == first | {"expires_in": 7100}


def test_a_stable_token_is_renewed_five_minutes_before_its_end_and_both_work_until_then(caller, clock):
    old = caller.stable()["access_token"]
    clock.turn_on(7200 - 301)
    assert caller.stable() == {"access_token": old, "expires_in": 301}
    clock.turn_on(1)

    new = caller.stable()["access_token"]

    assert new != old
    assert (caller.errcode(old), caller.errcode(new)) == (0, 0)
    clock.turn_on(300)
    assert (caller.errcode(old), caller.errcode(new)) == (42001, 0)


def test_a_short_life_shortens_the_time_side_by_side(clock):
    with Sandbox(clock=clock, token_life=24) as sandbox:
        caller = Caller(sandbox)
        old = caller.stable()["access_token"]
        clock.turn_on(22.9)
        assert caller.stable()["access_token"] == old
        clock.turn_on(0.1)
        assert caller.stable()["access_token"] != old


def test_a_forced_refresh_ends_every_former_stable_token_at_once(caller, clock):
    oldest = caller.stable()["access_token"]
    clock.turn_on(7000)
    old = caller.stable()["access_token"]

    new = caller.stable(force_refresh=True)["access_token"]

    assert [caller.errcode(token) for token in (oldest, old, new)] == [40001, 40001, 0]
    assert caller.stable()["access_token"] == new


def test_forced_refreshes_lie_thirty_seconds_apart(caller, clock):
    token = caller.stable(force_refresh=True)["access_token"]
    clock.turn_on(29.9)
    assert caller.stable(force_refresh=True)["errcode"] == 45011
    assert caller.errcode(token) == 0
    clock.turn_on(0.1)
    assert "access_token" in caller.stable(force_refresh=True)


def test_twenty_forced_refreshes_are_a_beijing_days_worth(caller, clock):
    for _ in range(20):
        assert "access_token" in caller.stable(force_refresh=True)
        clock.turn_on(60)

    assert caller.stable(force_refresh=True)["errcode"] == 45009
    clock.set("2026-11-23T16:00:00+00:00")
    assert "access_token" in caller.stable(force_refresh=True)


def test_each_classic_token_is_new_and_leaves_the_former_five_minutes(caller, clock):
    old, new = (caller.classic()["access_token"] for _ in range(2))

    assert new != old
    clock.turn_on(299)
    assert (caller.errcode(old), caller.errcode(new)) == (0, 0)
    clock.turn_on(1)
    assert (caller.errcode(old), caller.errcode(new)) == (40001, 0)


def test_a_replaced_classic_token_does_not_outlive_its_own_end(caller, clock):
    old = caller.classic()["access_token"]
    clock.turn_on(7199)
    caller.classic()
    clock.turn_on(1)

    assert caller.errcode(old) == 40001


def test_the_two_kinds_of_token_leave_each_other_alone(caller, clock):
    classic, stable = caller.classic()["access_token"], caller.stable()["access_token"]

    caller.stable(force_refresh=True)
    assert caller.errcode(classic) == 0
    clock.turn_on(30)
    stable = caller.stable(force_refresh=True)["access_token"]
    caller.classic()
    clock.turn_on(301)
    assert (caller.errcode(classic), caller.errcode(stable)) == (40001, 0)


def test_an_expired_token_is_told_from_an_unknown_and_a_missing_one(caller, clock):
    token = caller.stable()["access_token"]
    clock.turn_on(7200)

    assert [caller.errcode(text) for text in (token, "unknown", "")] == [42001, 40001, 41001]


def test_end_tokens_ends_them_all(sandbox, caller):
    tokens = [caller.stable()["access_token"], caller.classic()["access_token"]]

    sandbox.end_tokens()

    assert [caller.errcode(token) for token in tokens] == [40001, 40001]
    assert caller.stable()["access_token"] not in tokens


def test_a_clock_set_back_makes_a_fresh_token(caller, clock):
    caller.stable()
    clock.set("2018-01-01T12:00:00+08:00")

    assert caller.stable()["expires_in"] == 7200


def test_a_token_outlasts_a_thousand_classic_ones(caller):
    token = caller.stable()["access_token"]

    for _ in range(1001):
        caller.classic()

    assert caller.errcode(token) == 0


@pytest.mark.parametrize("ask", [Caller.stable, Caller.classic])
@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"grant_type": "password"}, 40002),
        ({"grant_type": None}, 40002),
        ({"appid": None}, 41002),
        ({"appid": ""}, 41002),
        ({"secret": None}, 41004),
        ({"secret": ""}, 41004),
        ({"appid": "wxffffffffffffffff"}, 40013),
        ({"secret": "wrong"}, 40125),
    ],
)
def test_wrong_credentials_are_named(caller, ask, changes, errcode):
    answer = ask(caller, **changes)

    assert answer["errcode"] == errcode
    assert RID.search(answer["errmsg"])


@pytest.mark.parametrize("appid", [7, ["a"], {"a": 1}])
def test_an_app_id_that_is_no_text_is_none(caller, appid):
    assert caller.stable(appid=appid)["errcode"] == 40013


def test_an_address_off_the_allow_list_is_named_and_may_still_use_a_token(clock):
    with Sandbox(clock=clock, allow_list=("203.0.113.7",)) as sandbox:
        caller = Caller(sandbox)
        for answer in (caller.stable(), caller.classic()):
            assert answer["errcode"] == 40164
            assert "127.0.0.1" in answer["errmsg"]
        assert caller.errcode("a token from elsewhere") == 40001


def test_an_address_on_the_allow_list_is_let_in(clock):
    with Sandbox(clock=clock, allow_list=("203.0.113.7", "127.0.0.1")) as sandbox:
        assert "access_token" in Caller(sandbox).stable()


def test_each_app_has_its_own_token_and_numbers(clock):
    with Sandbox(clock=clock, apps=(App("wx1", "one"), App("wx2", "two"))) as sandbox:
        caller = Caller(sandbox)
        tokens = [caller.stable(appid=app.app_id, secret=app.secret)["access_token"] for app in sandbox.apps]
        rows = [caller.report("20261101", token=token)["list"][0] for token in tokens]

    assert tokens[0] != tokens[1]
    assert rows[0]["visit_pv"] != rows[1]["visit_pv"]
