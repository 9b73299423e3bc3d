"""The stand-in server: HTTP on loopback around WeChat's rules."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from airflow_wechat.client.transport import is_loopback
from airflow_wechat.sandbox import control
from airflow_wechat.sandbox.failures import Failures, Reply, json_reply, raw_reply, status_reply
from airflow_wechat.sandbox.listener import Listener
from airflow_wechat.sandbox.tokens import App
from airflow_wechat.sandbox.wechat import Call, Rules, WeChat

_REMEMBERED_REQUESTS = 100_000

Clock = Callable[[], datetime]
Scripted = dict[str, Any] | list[Any] | bytes | int | type[ConnectionError]
"""JSON, a raw body, an HTTP status, or a connection closed without an answer."""


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Request:
    """A call that came in.

    :param body: the JSON object in it; ``None`` where there was none
    :param answered: the errcode (0 for success), the HTTP status where the answer was no JSON, ``None`` where
        the connection was closed without one
    """

    path: str
    query: dict[str, str]
    body: dict[str, Any] | None
    answered: int | None


class Sandbox:
    """A WeChat server of your own on this machine; a context manager that starts and stops it.

    :param clock: the present moment, with a time zone; tokens and publishing follow it
    :param host: a loopback address or name
    :param port: 0 means any that is free
    :param latency: seconds before each answer
    :param failures: the part of the report calls that fail, by kind (see
        :data:`~airflow_wechat.sandbox.failures.FAILURES`)
    :param seed: makes the same calls fail again
    :param rules: the fields of :class:`~airflow_wechat.sandbox.wechat.Rules`
    :raises ValueError: for a value that is not allowed
    """

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        failures: Mapping[str, float] | None = None,
        seed: int = 0,
        **rules: Any,
    ) -> None:
        for name, value, allowed, holds in (
            ("host", host, "a loopback address, as 127.0.0.1", is_loopback(host)),
            ("port", port, "a port from 0 to 65535", 0 <= port <= 65535),
            ("latency", latency, "seconds from 0 to 600", 0 <= latency <= 600),
        ):
            if not holds:
                raise ValueError(f"{name}={value!r} is not allowed: give {allowed}")
        self.clock = clock
        self._address = (host, port)
        self._latency = latency
        self._rules = Rules(**rules)
        self._wechat = WeChat(self._rules)
        self._failures = Failures(failures or {}, seed)
        self._scripts: defaultdict[str, deque[Scripted]] = defaultdict(deque)
        self._journal: deque[Request] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._lock = threading.Lock()
        self._listener: Listener | None = None

    @property
    def clock(self) -> Clock:
        """The present moment as the server sees it; may be replaced."""
        return self._clock

    @clock.setter
    def clock(self, clock: Clock) -> None:
        if clock().tzinfo is None:
            raise ValueError(f"the clock says {clock()!r}: give a moment with a time zone")
        self._clock = clock

    @property
    def apps(self) -> tuple[App, ...]:
        """The Mini Programs the server knows."""
        return self._rules.apps

    @property
    def app(self) -> App:
        """The first of them."""
        return self._rules.apps[0]

    @property
    def url(self) -> str:
        """The address to call, as ``http://127.0.0.1:PORT``."""
        host, port = self._address
        if not port:
            raise RuntimeError("the sandbox has no port yet: use it with `with`, or call start()")
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def connection(self) -> dict[str, str]:
        """The Airflow connection to the first app, as Airflow takes it in JSON."""
        return self.connection_of(self.app)

    def connection_of(self, app: App) -> dict[str, str]:
        """Return the Airflow connection to an app, as Airflow takes it in JSON."""
        return {"conn_type": "wechat", "login": app.app_id, "password": app.secret, "host": self.url}

    @property
    def requests(self) -> list[Request]:
        """The calls that came in, the latest 100,000 in their order; a copy."""
        with self._lock:
            return list(self._journal)

    def answer_next(self, path: str, *answers: Scripted) -> None:
        """Answer the next calls of a path so, one after the other, whatever they ask.

        :raises TypeError: for an answer that is none of :data:`Scripted`
        """
        for answer in answers:
            _check_scripted(answer)
        with self._lock:
            self._scripts[path].extend(answers)

    def end_tokens(self) -> None:
        """End every token at once, as another service with the same AppSecret would."""
        self._wechat.end_tokens()

    def start(self) -> Self:
        """Listen, and answer in threads of its own; after :meth:`stop` again on the same port."""
        if self._listener is None:
            self._listener = Listener(self._address, self.reply)
            self._address = (self._address[0], self._listener.server_address[1])
            threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the port and every connection; harmless where nothing runs."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reply(self, call: Call) -> Reply | None:
        """Return the reply to a call; ``None`` where the connection is to be closed without one."""
        if call.path.startswith(control.PREFIX):
            return control.reply(self, call)
        if self._latency:
            time.sleep(self._latency)
        scripted = self._next_scripted(call.path)
        reply = self._usual_reply(call) if scripted is None else _reply_of(scripted)
        answered = None if reply is None else reply.answered
        request = Request(call.path, dict(call.query), _object_in(call.body), answered)
        with self._lock:
            self._journal.append(request)
        return reply

    def _usual_reply(self, call: Call) -> Reply | None:
        now = self._clock()
        return self._failures.reply(call.path, self._wechat.answer(call, now), now)

    def _next_scripted(self, path: str) -> Scripted | None:
        with self._lock:
            waiting = self._scripts.get(path)
            return waiting.popleft() if waiting else None


def _check_scripted(answer: object) -> None:
    if isinstance(answer, type) and issubclass(answer, ConnectionError):
        return
    if not isinstance(answer, dict | list | bytes | int):
        raise TypeError(
            f"answer {answer!r} is not allowed: give a dict or list (JSON), bytes (the body as it is), "
            f"an int (HTTP status) or ConnectionError (no answer)"
        )


def _reply_of(scripted: Scripted) -> Reply | None:
    if isinstance(scripted, type):
        return None
    if isinstance(scripted, bytes):
        return raw_reply(scripted)
    return status_reply(scripted) if isinstance(scripted, int) else json_reply(scripted)


def _object_in(body: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(body)
        return found if isinstance(found, dict) else None
    return None
