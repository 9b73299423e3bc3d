"""AppSecret and access tokens: who calls, and how one comes to a token."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_wechat.sandbox.calls import Call, posted
from airflow_wechat.sandbox.permissions import Permissions
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.replies import Said
from airflow_wechat.sandbox.rules import Rules
from airflow_wechat.sandbox.tokens import Flow, TokenBook


class Credentials:
    """Gives tokens for AppSecrets, and knows callers by their tokens."""

    def __init__(self, rules: Rules, tokens: TokenBook, permissions: Permissions) -> None:
        self._secrets = {app.app_id: app.secret for app in rules.apps}
        self._allow_list = rules.allow_list
        self._tokens = tokens
        self._permissions = permissions

    def stable_token(self, call: Call, now: datetime) -> Said:
        """Answer ``/cgi-bin/stable_token``."""
        body = posted(call)
        app_id = self._authenticated(body, call.address)
        make = self._tokens.forced if body.get("force_refresh") is True else self._tokens.stable
        return Said(make(app_id, now).answer(now))

    def classic_token(self, call: Call, now: datetime) -> Said:
        """Answer ``/cgi-bin/token``."""
        if call.method != "GET":
            raise Refusal(43001)
        app_id = self._authenticated(call.query, call.address)
        return Said(self._tokens.classic(app_id, now).answer(now))

    def _authenticated(self, given: Mapping[str, Any], address: str) -> str:
        """Return the AppID; which of several faults WeChat names first is our guess."""
        app_id, secret = given.get("appid"), given.get("secret")
        if given.get("grant_type") != "client_credential":
            raise Refusal(40002)
        if not app_id:
            raise Refusal(41002)
        if not secret:
            raise Refusal(41004)
        if not isinstance(app_id, str) or app_id not in self._secrets:
            raise Refusal(40013)
        if secret != self._secrets[app_id]:
            raise Refusal(40125)
        if self._allow_list and address not in self._allow_list:
            raise Refusal(40164, address=address)
        return app_id

    def holder(self, call: Call, now: datetime) -> str:
        """Return the AppID that a call's token speaks for.

        :raises Refusal: for a call without a token that is good
        """
        value = call.query.get("access_token")
        if not value:
            raise Refusal(41001)
        token = self._tokens.known(value, now)
        if token.flow is Flow.AUTHORIZER:
            self._permissions.check("component")
        return token.app_id
