"""The sandbox in Python: what a test can say to it, and what it remembers."""

from __future__ import annotations

import re
import socket
import threading
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import requests

from airflow_wechat.client.errors import CheckAnswerError, RenewTokenError
from airflow_wechat.sandbox import App, Sandbox
from airflow_wechat.sandbox.server import Request
from client.sandboxed import DAILY, STABLE, Caller, client_of

PERIOD = DAILY.granularity.period_of(date(2026, 11, 1))
BODY = {"begin_date": "20261101", "end_date": "20261101"}


def test_our_client_gets_its_row(sandbox):
    (row,) = client_of(sandbox).fetch(DAILY, PERIOD)

    assert (row["app_id"], row["ref_date"]) == (sandbox.app.app_id, "20261101")
    assert row["fetched_at"] == "2026-11-23T04:00:00.000000+00:00"


def test_our_client_overcomes_ended_tokens(sandbox):
    client = client_of(sandbox)
    first = client.fetch(DAILY, PERIOD)

    sandbox.end_tokens()

    assert client.fetch(DAILY, PERIOD) == first
    assert [request.answered for request in sandbox.requests] == [0, 0, 40001, 0, 0]


def test_the_clock_is_the_real_one_by_default():
    now = datetime.now(UTC)
    with Sandbox() as sandbox:
        assert sandbox.clock() - now < timedelta(minutes=1)


def test_the_clock_may_be_replaced_and_tokens_and_publishing_follow(sandbox, caller):
    token = caller.stable()["access_token"]

    sandbox.clock = lambda: datetime(2026, 11, 25, 3, tzinfo=UTC)

    assert caller.report("20261124", token=token)["errcode"] == 42001
    assert caller.report("20261124")["list"]


def test_a_clock_without_a_time_zone_is_refused(sandbox):
    with pytest.raises(ValueError, match="give a moment with a time zone"):
        sandbox.clock = lambda: datetime(2026, 11, 25)  # noqa: DTZ001


def test_the_connection_is_what_airflow_takes(sandbox):
    assert sandbox.connection == {
        "conn_type": "wechat",
        "login": sandbox.app.app_id,
        "password": sandbox.app.secret,
        "host": sandbox.url,
    }
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", sandbox.url)


def test_an_apps_secret_is_not_in_its_repr():
    assert "hidden" not in repr(App("wx1", "hidden"))


def test_requests_are_remembered_in_their_order_with_what_they_got(sandbox, caller):
    token = caller.stable()["access_token"]
    caller.report("20261101", token=token)
    caller.report("bad", token=token)
    caller.send("GET", "/nowhere?a=1&b=")

    assert sandbox.requests == [
        Request(STABLE, {}, caller.credentials(), 0),
        Request(DAILY.path, {"access_token": token}, BODY, 0),
        Request(DAILY.path, {"access_token": token}, {"begin_date": "bad", "end_date": "bad"}, 61500),
        Request("/nowhere", {"a": "1", "b": ""}, None, 40066),
    ]


def test_the_list_of_requests_is_a_copy(sandbox, caller):
    caller.stable()
    sandbox.requests.clear()

    assert len(sandbox.requests) == 1


def test_scripted_answers_come_once_each_in_order_and_on_their_path_only(sandbox, caller):
    token = caller.stable()["access_token"]
    sandbox.answer_next(DAILY.path, {"errcode": -1, "errmsg": "busy"}, [1], b"<raw>", 502)
    sandbox.answer_next(DAILY.path, ConnectionError)

    assert caller.stable()["access_token"] == token
    bodies = [caller.send("POST", DAILY.path).text for _ in range(3)]
    assert bodies == ['{"errcode":-1,"errmsg":"busy"}', "[1]", "<raw>"]
    assert caller.send("POST", DAILY.path).status_code == 502
    with pytest.raises(requests.ConnectionError):
        caller.send("POST", DAILY.path)
    assert caller.errcode(token) == 0
    assert [request.answered for request in sandbox.requests[2:]] == [-1, 0, 200, 502, None, 0]


def test_scripted_answers_reach_our_client(sandbox):
    client = client_of(sandbox)
    sandbox.answer_next(
        DAILY.path, ConnectionError, 503, {"errcode": -1}, {"list": [{"ref_date": "20200101"}]}
    )

    with pytest.raises(CheckAnswerError, match="got ref_date '20200101'"):
        client.fetch(DAILY, PERIOD)
    assert client.fetch(DAILY, PERIOD)


def test_a_token_can_be_scripted_too(sandbox):
    sandbox.answer_next(STABLE, *[{"access_token": "a stranger's", "expires_in": 7200}] * 3)

    with pytest.raises(RenewTokenError, match="40001"):
        client_of(sandbox).fetch(DAILY, PERIOD)


@pytest.mark.parametrize("answer", ["text", None, 1.5, ValueError, ConnectionError("made")])
def test_an_answer_of_another_kind_is_refused(sandbox, answer):
    with pytest.raises(TypeError, match="is not allowed: give a dict or list"):
        sandbox.answer_next(DAILY.path, answer)


def test_threads_are_answered_side_by_side_and_none_is_forgotten(sandbox):
    callers = [Caller(sandbox) for _ in range(16)]
    together = threading.Barrier(len(callers))
    tokens = []

    def ask(caller: Caller) -> None:
        together.wait(20)
        tokens.extend(caller.stable()["access_token"] for _ in range(20))

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(tokens) == len(sandbox.requests) == 320
    assert len(set(tokens)) == 1


def test_latency_comes_before_each_answer(clock, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    with Sandbox(clock=clock, latency=0.25) as sandbox:
        Caller(sandbox).report("20261101")

    assert slept == [0.25, 0.25]


def test_what_is_stopped_is_gone_with_its_kept_connections_and_comes_back_on_its_port(caller, sandbox):
    caller.stable()
    url = sandbox.url
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=20) as kept:
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(65536)

        sandbox.stop()

        assert kept.recv(1) == b""
        with pytest.raises(requests.ConnectionError):
            Caller(sandbox).stable()
    sandbox.stop()
    assert sandbox.start().start().url == url
    assert "access_token" in Caller(sandbox).stable()


def test_the_address_is_not_known_before_the_start():
    with pytest.raises(RuntimeError, match="no port yet"):
        _ = Sandbox().url


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "0.0.0.0"}, "host='0.0.0.0' is not allowed: give a loopback address"),
        ({"host": "192.0.2.1"}, "host='192.0.2.1' is not allowed"),
        ({"host": ""}, "host='' is not allowed"),
        ({"port": 70000}, "port=70000 is not allowed: give a port from 0 to 65535"),
        ({"latency": -1}, "latency=-1 is not allowed: give seconds"),
        ({"publish_hour": 24}, "publish_hour=24 is not allowed: give an hour from 0"),
        ({"token_life": 0}, "token_life=0 is not allowed: give seconds, more than 0"),
        ({"daily_quota": -1}, "daily_quota=-1 is not allowed: give a number of calls"),
        ({"minute_rate": -1}, "minute_rate=-1 is not allowed: give a number of calls"),
        ({"apps": ()}, r"apps=\(\) is not allowed: give at least one"),
        ({"apps": (App("wx1", "a"), App("wx1", "b"))}, "apps=.* is not allowed"),
    ],
)
def test_an_option_that_is_not_allowed_is_named_with_what_is(options, message):
    with pytest.raises(ValueError, match=message):
        Sandbox(**options)
