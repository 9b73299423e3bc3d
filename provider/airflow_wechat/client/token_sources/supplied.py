"""Tokens that somebody else supplies: the connection itself, or the company's own token server."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from airflow_wechat.client.answers import Answer
from airflow_wechat.client.base_url import check_base_url
from airflow_wechat.client.errors import CheckAnswerError, RenewTokenError
from airflow_wechat.client.options import OPTIONS
from airflow_wechat.client.secret import Secret, is_sendable
from airflow_wechat.client.tokens import LONGEST_LIFE, Clock, HeldToken, Issued, Proof, shown
from airflow_wechat.client.transport import USUAL_NETWORK, Network, Transport

_UNKNOWN_LIFE = 300.0  # how long a token is used whose end the server does not tell
_MILLISECONDS = 1e11  # a Unix time above this counts them


class GivenToken:
    """A token that stands in the connection.

    :param field: the name of the field it stands in, for errors
    :param reread: reads the field again, in case somebody has put a new token there
    """

    parameter = "access_token"
    proof = Proof.TRIED

    def __init__(self, token: Secret, field: str, reread: Callable[[], Secret] | None = None) -> None:
        self._token = token
        self._field = field
        self._reread = reread or (lambda: token)
        self._lock = threading.Lock()

    def token(self) -> Secret:
        """Return the token."""
        return self._token

    def renewed(self, stale: Secret) -> Secret:
        """Return the token that stands in the connection by now.

        :raises RenewTokenError: where it is the one that WeChat has refused
        """
        with self._lock:  # one reads for all: up to Airflow 3.0 a task's threads must take turns anyway
            if self._token == stale:
                self._token = self._reread()
            if self._token != stale:
                return self._token
        raise RenewTokenError(
            f"WeChat refuses {self._field} in the connection's Extra",
            advice=f"put a token that is good into {self._field}, or name a token server in token_url",
        )


class TokenServer(HeldToken):
    """Tokens of the company's own token server, by one GET.

    The query of its URL is kept as secret as a token; its path is not.

    :param token_url: where to ask; plain http only for loopback
    :param token_path: where in the JSON answer the token is, as ``data.access_token``
    :param expires_path: where its end is: seconds to live, a Unix time, or an ISO time with a zone
    :param options: further arguments of :class:`~airflow_wechat.client.transport.Transport`
    :raises ValueError: for a URL that is not allowed
    """

    proof = Proof.TRIED

    def __init__(
        self,
        token_url: str,
        token_path: str = OPTIONS["token_path"].default,
        expires_path: str = OPTIONS["expires_path"].default,
        network: Network = USUAL_NETWORK,
        *,
        clock: Clock = time.monotonic,
        **options: Any,
    ) -> None:
        super().__init__(clock)
        origin, self._path, self._query = split_token_url(token_url)
        self._transport = Transport(origin, network, **options)
        self._token_path = token_path
        self._expires_path = expires_path

    def _issue(self, stale: Secret | None) -> Issued:
        issued = self._ask()
        if issued.value == stale:
            raise RenewTokenError(
                "the token server gives the token that WeChat has refused", path=_NAME, advice=_ADVICE
            )
        return issued

    def _ask(self) -> Issued:
        try:
            answer = self._transport.get(self._path, self._query, name=_NAME, read=lambda found: found)
        except CheckAnswerError as error:
            raise CheckAnswerError(error.errmsg, path=_NAME, advice=_ADVICE) from None
        token = _found(answer, self._token_path)
        if not (isinstance(token, str) and is_sendable(token)):
            raise CheckAnswerError(
                f"no token at token_path {self._token_path!r:.200} in the answer, "
                f"which has {_names_in(answer)}",
                path=_NAME,
                advice="correct token_path in the connection's Extra, or mend the token server",
            )
        return Issued(Secret(token), _life(_found(answer, self._expires_path), time.time()))


_NAME = "token_url"
_ADVICE = (
    "see whether token_url in the connection's Extra is right, with its key, and what the token server says"
)


def split_token_url(url: str) -> tuple[str, str, Secret]:
    """Split the URL of a token server into where it is, the path, and the query, which may hold a key.

    :raises ValueError: for plain http to another host than loopback, a user, a fragment, or what is no URL
    """
    place, _, query = url.partition("?")
    allowed = None if "#" in query else _allowed(place)
    if allowed is None:
        raise ValueError(
            "token_url in the connection's Extra is not allowed: give https://HOST/PATH, with a key, where "
            "one is needed, in the query (http is for loopback only)"
        )
    parts = urlsplit(allowed)
    return f"{parts.scheme}://{parts.netloc}", parts.path, Secret(query)


def _allowed(place: str) -> str | None:
    with suppress(ValueError):  # its words, and so a chain, may hold a key
        return check_base_url(place)
    return None


def _names_in(answer: Answer) -> list[str]:
    """Return the names of an answer's fields, but none that may be a token."""
    return sorted(name for name in answer if re.fullmatch("[A-Za-z_]{1,30}", name))[:10]


def _found(answer: Any, path: str) -> Any:
    """Return what lies at a path of names and places, as ``data.tokens.0``; ``None`` where nothing does."""
    for step in path.split("."):
        if isinstance(answer, dict):
            answer = answer.get(step)
        elif isinstance(answer, list) and re.fullmatch("[0-9]{1,9}", step) and int(step) < len(answer):
            answer = answer[int(step)]
        else:
            return None
    return answer


def _life(end: Any, now: float) -> float:
    """Return how many seconds a token lives whose end is told somehow; five minutes where it is not.

    :raises CheckAnswerError: for an end that is none, or past
    """
    if end is None:
        return _UNKNOWN_LIFE
    left = math.nan if isinstance(end, bool) else _seconds_left(end, now)
    if not 0 < left < LONGEST_LIFE:
        raise CheckAnswerError(
            f"the token's end is {shown(end)}, expected seconds to live, or a moment to come",
            path="token_url",
            advice="correct expires_path in the connection's Extra, or mend the token server",
        )
    return left


def _seconds_left(end: Any, now: float) -> float:
    try:
        number = float(end)
    except (TypeError, ValueError, OverflowError):
        return _moment(end) - now
    if number < LONGEST_LIFE:
        return number
    return (number / 1000 if number > _MILLISECONDS else number) - now


def _moment(text: Any) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return math.nan
    return moment.timestamp() if moment.tzinfo else math.nan
