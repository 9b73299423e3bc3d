"""A company's own token server, from which workers have their tokens without any AppSecret.

========================================  ==========================================================
``GET /_sandbox/token?app=…&key=…``       the app's stable token
``GET /_sandbox/component_token?key=…``   the third-party platform's own token
========================================  ==========================================================

Both answer ``{"data": {"access_token": …, "expires_in": seconds}}``, and a wrong key HTTP 403.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from airflow_wechat.sandbox.calls import Call, Fields
from airflow_wechat.sandbox.replies import Said, json_reply
from airflow_wechat.sandbox.wechat import WeChat

APP_TOKEN_PATH = "/_sandbox/token"  # noqa: S105
COMPONENT_TOKEN_PATH = "/_sandbox/component_token"  # noqa: S105

_COMPONENT_LIFE = 7200


class TokenServer:
    """Gives tokens to who has its key.

    :param app_ids: the apps it has tokens of
    """

    def __init__(self, wechat: WeChat, app_ids: Iterable[str]) -> None:
        self.key = secrets.token_urlsafe(24)
        self._wechat = wechat
        self._app_ids = frozenset(app_ids)
        self._endpoints: dict[str, Callable[[Call, datetime], Said]] = {
            APP_TOKEN_PATH: self._app_token,
            COMPONENT_TOKEN_PATH: self._component_token,
        }

    def has(self, path: str) -> bool:
        """Tell whether a path is one of the token server's."""
        return path in self._endpoints

    def say(self, call: Call, now: datetime) -> Said:
        """Return what the token server says to a call."""
        if call.method != "GET":
            return _trouble(405, "give GET")
        if call.query.get("key") != self.key:
            return _trouble(403, "the key is wrong")
        return self._endpoints[call.path](call, now)

    def app_query(self, app_id: str) -> str:
        """Return path and query that give an app's token."""
        return f"{APP_TOKEN_PATH}?{urlencode({'app': app_id, 'key': self.key})}"

    def component_query(self) -> str:
        """Return path and query that give the platform's token."""
        return f"{COMPONENT_TOKEN_PATH}?{urlencode({'key': self.key})}"

    def _app_token(self, call: Call, now: datetime) -> Said:
        app_id = call.query.get("app", "")
        if app_id not in self._app_ids:
            return _trouble(404, f"no app {app_id!r}")
        return _given(self._wechat.stable_token(app_id, now).answer(now))

    def _component_token(self, _: Call, __: datetime) -> Said:
        return _given({"access_token": self._wechat.component.access_token, "expires_in": _COMPONENT_LIFE})


def _given(token: Fields) -> Said:
    return Said({"data": token})


def _trouble(status: int, words: str) -> Said:
    return Said({"error": words}, partial(json_reply, status=status))
