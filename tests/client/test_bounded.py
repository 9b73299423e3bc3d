"""What a bad line does not show to the byte and to the word."""

from __future__ import annotations

import io
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_wechat.client import bounded
from airflow_wechat.client.bounded import BoundedAdapter, TooLongError

LIMIT = 100


def received(body: bytes, timeout: float = 30.0) -> io.BufferedReader:
    """Return what reads from a socket on which this comes, and then its end."""
    sock: Any = SimpleNamespace(gettimeout=lambda: timeout, settimeout=lambda _: None)
    return io.BufferedReader(bounded._Received(io.BytesIO(body), sock))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_RECEIVED", LIMIT)


def test_an_answer_may_be_as_long_as_the_limit_says() -> None:
    body = bytes(LIMIT)

    assert received(body).read() == body


def test_an_answer_may_not_be_longer_by_a_byte() -> None:
    with pytest.raises(TooLongError, match=f"^more than {LIMIT} bytes$"):
        received(bytes(LIMIT + 1)).read()


def test_what_is_not_there_in_time_is_not_read() -> None:
    with pytest.raises(TimeoutError, match=r"^the answer is not complete in time$"):
        received(b"too late", timeout=0.0).read()


def test_the_pools_of_a_proxy_are_bounded_once() -> None:
    adapter = BoundedAdapter()
    before = adapter.proxy_manager_for("http://127.0.0.1:9").pool_classes_by_scheme

    assert adapter.proxy_manager_for("http://127.0.0.1:9").pool_classes_by_scheme is before


def test_a_name_is_left_to_a_socks_proxy_to_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_here(*_: Any, **__: Any) -> Any:
        pytest.fail("looked up by this machine")

    monkeypatch.setattr(socket, "getaddrinfo", not_here)
    connection = bounded._BoundedConnection("wechat.invalid", 443)
    connection._socks_options = {}  # type: ignore[attr-defined]

    assert connection._addresses() == ["wechat.invalid"]
