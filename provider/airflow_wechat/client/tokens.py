"""Where an access token comes from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from airflow_wechat.client.answers import Answer
from airflow_wechat.client.errors import CheckAnswerError, FixCredentialsError, WeChatError
from airflow_wechat.client.transport import Transport

STABLE_TOKEN_PATH = "/cgi-bin/stable_token"  # noqa: S105

_RENEW_BEFORE_END = 60.0
_FORCE_APART = 30.0


class TokenSource(Protocol):
    """Gives access tokens; threads may share one."""

    def token(self) -> str:
        """Return a token that is good now."""
        ...

    def renewed(self, stale: str) -> str:
        """Return another token than one that WeChat has just refused."""
        ...


@dataclass(frozen=True)
class _Token:
    value: str = field(repr=False)
    good_until: float  # on the source's clock


class StableToken:
    """Tokens of ``/cgi-bin/stable_token``: everybody who asks with the same AppSecret gets the same one.

    One request is in flight at most, however many threads want a token. A token is renewed a minute before
    its end; WeChat lets the old and the new one work side by side for five.
    See https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html

    :param clock: seconds that only grow
    :raises FixCredentialsError: when AppID or AppSecret are missing
    """

    def __init__(
        self, transport: Transport, app_id: str, app_secret: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        require_credentials(app_id, app_secret)
        self._transport = transport
        self._app_id = app_id
        self._app_secret = app_secret
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Token | None = None
        self._forced_at: float | None = None
        self._failure: WeChatError | None = None
        self._failures = 0

    def token(self) -> str:
        """Return a token that is good now; asks WeChat only where none is held.

        :raises WeChatError: where WeChat gives none
        """
        held, failures = self._held, self._failures
        if held is None or self._clock() >= held.good_until:
            with self._lock:
                held = self._held
                if held is None or self._clock() >= held.good_until:
                    held = self._issued(failures)
        return held.value

    def renewed(self, stale: str) -> str:
        """Return another token than ``stale``, which WeChat has just refused.

        WeChat is asked in normal mode; only where it answers the very token it refused, once with
        ``force_refresh``, and never twice within 30 seconds.

        :raises WeChatError: where WeChat gives none
        """
        failures = self._failures
        with self._lock:
            if self._held is None or self._held.value == stale:
                return self._issued(failures, stale).value
            return self._held.value

    def _issued(self, failures: int, stale: str | None = None) -> _Token:
        """Have a token issued; where that has failed while we waited for our turn, fail alike.

        :param failures: how often it had failed when we came
        """
        if self._failure and self._failures > failures:
            raise type(self._failure)(*self._failure.args)
        try:
            self._held = self._ask()
            if self._held.value == stale and self._may_force():
                self._forced_at = self._clock()
                self._held = self._ask(force_refresh=True)
        except WeChatError as error:
            self._failure, self._failures = error, self._failures + 1
            raise
        return self._held

    def _may_force(self) -> bool:
        return self._forced_at is None or self._clock() - self._forced_at >= _FORCE_APART

    def _ask(self, *, force_refresh: bool = False) -> _Token:
        body = {
            "grant_type": "client_credential",
            "appid": self._app_id,
            "force_refresh": force_refresh,
        }
        asked_at = self._clock()
        answer = self._transport.post(
            STABLE_TOKEN_PATH, body, secret=self._app_secret, repeatable=not force_refresh
        )
        value, lifetime = _token_in(answer)
        return _Token(value, asked_at + lifetime - min(_RENEW_BEFORE_END, lifetime / 10))


def require_credentials(app_id: str | None, app_secret: str | None) -> None:
    """Make sure that there is an AppID and an AppSecret.

    :raises FixCredentialsError: naming the one that is missing
    """
    for name, value in (("AppID (login)", app_id), ("AppSecret (password)", app_secret)):
        if not (value and value.strip()):
            raise FixCredentialsError(f"the connection has no {name}")


def _token_in(answer: Answer) -> tuple[str, float]:
    value, lifetime = answer.get("access_token"), answer.get("expires_in")
    if not (isinstance(value, str) and value):
        raise CheckAnswerError("no access_token in the answer", path=STABLE_TOKEN_PATH)
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not 0 < lifetime < 1e9:
        raise CheckAnswerError(f"expires_in is {lifetime!r:.80}, expected seconds", path=STABLE_TOKEN_PATH)
    return value, float(lifetime)
