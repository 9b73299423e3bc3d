"""Access tokens, and keeping one for as long as it is good.

Where one comes from is the business of the modules in :mod:`airflow_wechat.client.token_sources`.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from airflow_wechat.client.answers import Answer
from airflow_wechat.client.errors import CheckAnswerError, WeChatError
from airflow_wechat.client.secret import Secret, is_sendable

LONGEST_LIFE = 1e9
"""Seconds; more than that is a moment, or nonsense."""

_RENEW_BEFORE_END = 60.0

Clock = Callable[[], float]


class Proof(Enum):
    """What shows that WeChat agrees with what a token source says."""

    GIVEN = "that WeChat itself has just given the token"
    TRIED = "that a call with the token succeeds"
    NONE = "nothing but a report"


class TokenSource(Protocol):
    """Gives access tokens; threads may share one."""

    @property
    def parameter(self) -> str:
        """The name under which a call carries the token in its query."""
        ...

    @property
    def proof(self) -> Proof:
        """What shows that WeChat agrees with a token of this source."""
        ...

    def token(self) -> Secret:
        """Return a token that is good now; an empty one where a call needs none."""
        ...

    def renewed(self, stale: Secret) -> Secret:
        """Return another token than one that WeChat has just refused."""
        ...


@dataclass(frozen=True)
class Issued:
    """A token as it was given out, and how many seconds it lives, from when it was asked for."""

    value: Secret
    lifetime: float


@dataclass(frozen=True)
class _Held:
    value: Secret
    good_until: float  # on the source's clock


class HeldToken(ABC):
    """Keeps one token for all threads, for as long as it is good; a subclass gets a new one.

    One request for it is in flight at most, however many threads want a token. It is renewed a minute before
    its end; WeChat lets the old and the new one work side by side for five.

    :param clock: seconds that only grow
    """

    parameter = "access_token"
    proof = Proof.GIVEN

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._failure: WeChatError | None = None
        self._failures = 0

    @abstractmethod
    def _issue(self, stale: Secret | None) -> Issued:
        """Get a token, another than ``stale`` if possible; never called by two threads at once."""

    def token(self) -> Secret:
        """Return a token that is good now; asks for one only where none is held.

        :raises WeChatError: where none is given
        """
        held, failures = self._held, self._failures
        if held is None or self._clock() >= held.good_until:
            with self._lock:
                held = self._held
                if held is None or self._clock() >= held.good_until:
                    held = self._issued(failures)
        return held.value

    def renewed(self, stale: Secret) -> Secret:
        """Return another token than ``stale``, which WeChat has just refused.

        :raises WeChatError: where none is given
        """
        failures = self._failures
        with self._lock:
            if self._held is None or self._held.value == stale:
                return self._issued(failures, stale).value
            return self._held.value

    def _issued(self, failures: int, stale: Secret | None = None) -> _Held:
        """Have a token issued; where that has failed while we waited for our turn, fail alike.

        :param failures: how often it had failed when we came
        """
        if self._failure and self._failures > failures:
            raise type(self._failure)(*self._failure.args)
        asked_at = self._clock()
        try:
            issued = self._issue(stale)
        except WeChatError as error:
            self._failure, self._failures = error, self._failures + 1
            raise
        early = min(_RENEW_BEFORE_END, issued.lifetime / 10)
        self._held = _Held(issued.value, asked_at + issued.lifetime - early)
        return self._held


def issued_by(answer: Answer, path: str, name: str = "access_token") -> Issued:
    """Read the token in the answer of an endpoint that gives one.

    :param name: what the endpoint calls the token
    :raises CheckAnswerError: where there is none, or no life in ``expires_in``
    """
    value, lifetime = answer.get(name), answer.get("expires_in")
    if not (isinstance(value, str) and is_sendable(value)):
        raise CheckAnswerError(f"no {name} in the answer", path=path)
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not 0 < lifetime < LONGEST_LIFE:
        raise CheckAnswerError(f"expires_in is {shown(lifetime)}, expected seconds", path=path)
    return Issued(Secret(value), float(lifetime))


def shown(value: object) -> str:
    """Return what an error may say of a value in a token's answer: of a text its type, it may be a token."""
    return str(value if isinstance(value, int | float) else type(value).__name__)[:40]
