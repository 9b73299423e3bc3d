"""The sandbox as a server: connections, and what other processes may ask of it."""

from __future__ import annotations

import http.client
import socket
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
import requests

from airflow_wechat.sandbox import App, Sandbox
from airflow_wechat.sandbox.listener import Handler
from client.sandboxed import DAILY, STABLE, Caller, client_of

PERIOD = DAILY.granularity.period_of(date(2026, 11, 1))


def test_the_small_packets_of_a_kept_connection_are_not_held_back(sandbox, caller):
    caller.stable()
    (accepted,) = sandbox._listener._open

    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_answer_is_one_write(sandbox, caller, monkeypatch):
    writes = []
    set_up = Handler.setup

    def counted(handler: Handler) -> None:
        set_up(handler)
        write = handler.wfile.write
        handler.wfile.write = lambda data: writes.append(bytes(data)) or write(data)

    monkeypatch.setattr(Handler, "setup", counted)
    sandbox.answer_next("/x", 503, b"")

    for path in (STABLE, "/x", "/x", "/nowhere", "/_sandbox/requests"):
        caller.send("GET", path)

    assert len(writes) == 5
    assert all(write.startswith(b"HTTP/1.1 ") for write in writes)


@pytest.mark.parametrize("path", [STABLE, "/nowhere", "/_sandbox/requests", "/scripted"])
def test_every_answer_is_dated_by_the_sandboxs_clock(sandbox, caller, clock, path):
    sandbox.answer_next("/scripted", 503)

    date_header = caller.send("GET", path).headers["Date"]

    assert date_header == "Mon, 23 Nov 2026 04:00:00 GMT"
    assert parsedate_to_datetime(date_header) == clock()


def test_our_client_sees_how_far_its_clock_is_ahead():
    with Sandbox(clock=lambda: datetime.now(UTC) - timedelta(hours=1)) as sandbox:
        client = client_of(sandbox)
        client.fetch(DAILY, DAILY.granularity.period_of(date(2024, 3, 13)))

    assert 3599 <= client._transport.clock_ahead <= 3605


def test_a_connection_is_kept(sandbox, caller):
    for _ in range(5):
        caller.stable()

    assert len(sandbox._listener._open) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "many"}, 411),
        ({"Content-Length": "-1"}, 411),
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "1048577"}, 413),
    ],
)
def test_a_body_of_unknown_or_boundless_length_is_not_read(sandbox, headers, status):
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(sandbox.url).port, timeout=20)
    connection.putrequest("POST", STABLE)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()

    response = connection.getresponse()

    assert (response.status, response.headers["Connection"]) == (status, "close")


def test_what_is_no_http_is_refused(sandbox):
    with socket.create_connection(("127.0.0.1", urlsplit(sandbox.url).port), timeout=20) as connection:
        connection.sendall(b"HELLO\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert connection.recv(1) == b""


def test_the_other_loopback_works_as_well(clock):
    try:
        sandbox = Sandbox(clock=clock, host="::1").start()
    except OSError:
        pytest.skip("no IPv6 here")
    with sandbox:
        assert sandbox.url.startswith("http://[::1]:")
        assert client_of(sandbox).fetch(DAILY, PERIOD)


# For other processes


def test_the_journal_can_be_read_over_http_and_does_not_hold_its_own_reading(sandbox, caller):
    caller.stable()

    for _ in range(2):
        journal = caller.send("GET", "/_sandbox/requests").json()

    assert journal == [asdict(request) for request in sandbox.requests]
    assert len(journal) == 1


def test_answers_can_be_scripted_over_http(caller):
    script = [{"errcode": -1}, "<raw>", 502, None]

    assert caller.post("/_sandbox/answer_next", {"path": "/x", "answers": script}) == {}

    assert caller.send("GET", "/x").json() == {"errcode": -1}
    assert caller.send("GET", "/x").text == "<raw>"
    assert caller.send("GET", "/x").status_code == 502
    with pytest.raises(requests.ConnectionError):
        caller.send("GET", "/x")
    assert caller.send("GET", "/x").json()["errcode"] == 40066


def test_the_clock_can_be_set_over_http_runs_on_and_comes_back(sandbox, caller):
    then = datetime(2020, 2, 1, 10, tzinfo=UTC)

    caller.post("/_sandbox/clock", {"now": "2020-02-01T18:00:00+08:00"})
    first = sandbox.clock()
    runs_on = any(sandbox.clock() > first for _ in range(1_000_000))
    caller.post("/_sandbox/clock", {"now": None})

    assert then <= first < then + timedelta(minutes=1)
    assert runs_on
    assert datetime.now(UTC) - sandbox.clock() < timedelta(minutes=1)


def test_tokens_can_be_ended_over_http(caller):
    token = caller.stable()["access_token"]

    caller.post("/_sandbox/end_tokens", None)

    assert caller.errcode(token) == 40001


def test_what_changes_at_wechat_can_be_changed_over_http(sandbox, caller):
    former = sandbox.component.access_token

    assert caller.post("/_sandbox/change", {"what": "component_access_token"}) == {}

    assert sandbox.component.access_token != former


def test_a_change_over_http_may_name_its_app():
    apps = (App("wx1", "one"), App("wx2", "two"))
    with Sandbox(apps=apps) as sandbox:
        former = [sandbox.sealed_side(app).extra["certificate_sn"] for app in apps]

        Caller(sandbox).post("/_sandbox/change", {"what": "certificate", "app": "wx2"})

        changed = [sandbox.sealed_side(app).extra["certificate_sn"] for app in apps]

    assert (changed[0] == former[0], changed[1] == former[1]) == (True, False)


def test_a_permission_can_be_taken_away_and_given_back_over_http(caller):
    token = caller.stable()["access_token"]

    caller.post("/_sandbox/permission", {"of": "reports", "granted": False})
    assert caller.errcode(token) == 48001
    caller.post("/_sandbox/permission", {"of": "reports", "granted": True})
    assert caller.errcode(token) == 0


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("change", b'{"what": "weather"}', "give authorizer_refresh_token"),
        ("change", b'{"what": "certificate", "app": "wx9"}', "wx9"),
        ("change", b"null", "NoneType"),
        ("permission", b'{"of": "x", "granted": true}', "give reports"),
        ("clock", b'{"now": "noon"}', "noon"),
        ("clock", b'{"now": "2020-02-01T18:00:00"}', "time zone"),
        ("clock", b"{}", "now"),
        ("clock", b"[]", "list"),
        ("clock", b"not json", "JSON"),
        ("answer_next", b'{"path": "/x", "answers": [1.5]}', "1.5"),
    ],
)
def test_a_control_that_cannot_be_done_says_why(caller, path, body, words):
    response = caller.send("POST", f"/_sandbox/{path}", data=body)

    assert response.status_code == 400
    assert words in response.json()["error"]


def test_an_unknown_control_names_those_there_are(caller):
    response = caller.send("GET", "/_sandbox/clock")

    assert response.status_code == 404
    assert "POST /_sandbox/clock" in response.json()["error"]
