"""Access tokens as WeChat hands them out and takes them back."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from airflow_wechat.client.periods import beijing_day
from airflow_wechat.sandbox.refusals import Refusal

_OVERLAP = timedelta(minutes=5)
_USUAL_LIFE = timedelta(hours=2)
_FORCED_A_DAY = 20
_FORCED_APART = timedelta(seconds=30)
_REMEMBERED = 1000


@dataclass(frozen=True)
class App:
    """A Mini Program: its AppID and AppSecret."""

    app_id: str
    secret: str = field(repr=False)


class Flow(Enum):
    """The ways to a token; none touches the tokens of the others."""

    STABLE = "stable"
    CLASSIC = "classic"
    AUTHORIZER = "authorizer"


@dataclass
class Token:
    """An access token and its life."""

    value: str
    app_id: str
    flow: Flow
    made_at: datetime
    ends_at: datetime
    replaced: bool = False

    def answer(self, now: datetime) -> dict[str, str | int]:
        """Return the JSON object WeChat sends; ``expires_in`` is what remains, in seconds."""
        left = math.ceil((self.ends_at - now).total_seconds())
        return {"access_token": self.value, "expires_in": left}


class TokenBook:
    """Who holds which token, and until when.

    :param life: how long a token lives, in seconds; the 5 minutes for which an old and a new one work
        side by side shrink with a life shorter than WeChat's 2 hours
    """

    def __init__(self, life: float) -> None:
        self._life = timedelta(seconds=life)
        self._overlap = min(_OVERLAP, self._life * (_OVERLAP / _USUAL_LIFE))
        self._known: dict[str, Token] = {}
        self._latest: dict[tuple[str, Flow], Token] = {}
        self._forced_at: dict[str, list[datetime]] = {}

    def stable(self, app_id: str, now: datetime) -> Token:
        """Return the token that everybody gets; a new one in the last 5 minutes of the former."""
        latest = self._latest.get((app_id, Flow.STABLE))
        if latest and latest.made_at <= now < latest.ends_at - self._overlap:
            return latest
        return self._make(app_id, Flow.STABLE, now)

    def forced(self, app_id: str, now: datetime) -> Token:
        """Return a new token and end the former at once.

        :raises Refusal: more than 20 times a day, or within 30 seconds of the last time
        """
        self._allow_force(app_id, now)
        for token in [*self._known.values()]:
            if (token.app_id, token.flow) == (app_id, Flow.STABLE):
                del self._known[token.value]
        return self._make(app_id, Flow.STABLE, now)

    def _allow_force(self, app_id: str, now: datetime) -> None:
        today = [moment for moment in self._forced_at.get(app_id, []) if _same_day(moment, now)]
        # WeChat documents these limits and not what it answers beyond them: both codes are our guess.
        if len(today) >= _FORCED_A_DAY:
            raise Refusal(45009)
        if today and timedelta() <= now - today[-1] < _FORCED_APART:
            raise Refusal(45011)
        self._forced_at[app_id] = [*today, now]

    def classic(self, app_id: str, now: datetime) -> Token:
        """Return a token nobody else got; the former lives for 5 more minutes at most."""
        return self._replace(app_id, Flow.CLASSIC, now)

    def authorizer(self, app_id: str, now: datetime) -> Token:
        """Return a token for a third-party platform; that the former ends as a classic one is our guess."""
        return self._replace(app_id, Flow.AUTHORIZER, now)

    def _replace(self, app_id: str, flow: Flow, now: datetime) -> Token:
        if former := self._latest.get((app_id, flow)):
            former.ends_at = min(former.ends_at, now + self._overlap)
            former.replaced = True
        return self._make(app_id, flow, now)

    def _make(self, app_id: str, flow: Flow, now: datetime) -> Token:
        token = Token(new_token(), app_id, flow, now, now + self._life)
        self._known[token.value] = self._latest[app_id, flow] = token
        if len(self._known) > _REMEMBERED:
            self._forget_one()
        return token

    def _forget_one(self) -> None:
        for token in self._known.values():
            if self._latest.get((token.app_id, token.flow)) is not token:
                del self._known[token.value]
                return

    def known(self, value: str, now: datetime) -> Token:
        """Return a token that is good.

        :raises Refusal: for a token that is unknown, no longer the latest, or expired
        """
        token = self._known.get(value)
        if token is None:
            raise Refusal(40001)
        if now >= token.ends_at:
            raise Refusal(40001 if token.replaced else 42001)
        return token

    def end_all(self) -> None:
        """End every token at once."""
        self._known.clear()
        self._latest.clear()


def new_token() -> str:
    """Return an access token that nobody had before."""
    return secrets.token_urlsafe(96)


def _same_day(one: datetime, other: datetime) -> bool:
    return beijing_day(one) == beijing_day(other)
