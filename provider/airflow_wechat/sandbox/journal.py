"""What the sandbox remembers of calls, and what it was told to answer."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from airflow_wechat.sandbox.replies import Reply, json_reply, raw_reply, status_reply

_REMEMBERED_REQUESTS = 100_000

Scripted = dict[str, Any] | list[Any] | bytes | int | type[ConnectionError]
"""JSON, a raw body, an HTTP status, or a connection closed without an answer."""


@dataclass(frozen=True)
class Request:
    """A call that came in.

    :param body: the JSON object in it, opened where the call was sealed; ``None`` where there was none
    :param answered: the errcode (0 for success), of a cloud function's result the one inside; the HTTP status
        where the answer was no JSON; ``None`` where the connection was closed without one
    :param at: when it was answered, in seconds since 1970 by the real clock, whatever the sandbox's says
    """

    path: str
    query: dict[str, str]
    body: dict[str, Any] | None
    answered: int | None
    at: float = field(default_factory=time.time, compare=False)


class Journal:
    """The calls that came in, the latest 100,000 in their order. Threads may share one."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque(maxlen=_REMEMBERED_REQUESTS)
        self._lock = threading.Lock()

    def add(self, request: Request) -> None:
        """Remember a call."""
        with self._lock:
            self._requests.append(request)

    def copy(self) -> list[Request]:
        """Return the calls."""
        with self._lock:
            return list(self._requests)


class Script:
    """What the next calls of a path get, whatever they ask. Threads may share one."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, deque[Scripted]] = defaultdict(deque)
        self._lock = threading.Lock()

    def add(self, path: str, *answers: Scripted) -> None:
        """Have the next calls of a path answered so, one after the other.

        :raises TypeError: for an answer that is none of :data:`Scripted`
        """
        for answer in answers:
            _check(answer)
        with self._lock:
            self._waiting[path].extend(answers)

    def next(self, path: str) -> Scripted | None:
        """Return what the next call of a path gets; ``None`` for what it would usually get."""
        with self._lock:
            waiting = self._waiting.get(path)
            return waiting.popleft() if waiting else None


def _check(answer: object) -> None:
    if isinstance(answer, type) and issubclass(answer, ConnectionError):
        return
    if not isinstance(answer, dict | list | bytes | int):
        raise TypeError(
            f"answer {answer!r} is not allowed: give a dict or list (JSON), bytes (the body as it is), "
            f"an int (HTTP status) or ConnectionError (no answer)"
        )


def reply_of(scripted: Scripted) -> Reply | None:
    """Make the reply that was told."""
    if isinstance(scripted, type):
        return None
    if isinstance(scripted, bytes):
        return raw_reply(scripted)
    return status_reply(scripted) if isinstance(scripted, int) else json_reply(scripted)
