"""A third-party platform that apps have authorised to act for them; WeChat calls it a component."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airflow_wechat.sandbox.calls import Call, Fields, posted
from airflow_wechat.sandbox.permissions import Permissions
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.replies import Said
from airflow_wechat.sandbox.tokens import TokenBook, new_token

COMPONENT_APP_ID = "wxfedcba9876543210"

_OVERLAP = timedelta(minutes=5)


def _new_refresh_token() -> str:
    return f"refreshtoken@@@{secrets.token_urlsafe(32)}"


@dataclass
class _Authorization:
    """What the platform holds for an app: the refresh token, and when former ones end."""

    refresh_token: str = field(default_factory=_new_refresh_token)
    former: dict[str, datetime] = field(default_factory=dict)
    changing: bool = False

    def use(self, refresh_token: object, now: datetime) -> None:
        """Accept a refresh token; change it afterwards, where that is due.

        :raises Refusal: for one that is not good
        """
        if refresh_token != self.refresh_token and not self._works_still(refresh_token, now):
            raise Refusal(61023)
        if self.changing:
            self.former[self.refresh_token] = now + _OVERLAP
            self.refresh_token, self.changing = _new_refresh_token(), False

    def _works_still(self, refresh_token: object, now: datetime) -> bool:
        return isinstance(refresh_token, str) and now < self.former.get(refresh_token, now)


class Component:
    """The platform: its AppID, its own access token, and a refresh token for each app.

    At WeChat the access token comes by a ticket that is pushed to the platform's own server. Here it is just
    there, and good until it is changed.
    """

    app_id = COMPONENT_APP_ID

    def __init__(self, app_ids: Iterable[str], tokens: TokenBook, permissions: Permissions) -> None:
        self.access_token = new_token()
        self._authorizations = {app_id: _Authorization() for app_id in app_ids}
        self._tokens = tokens
        self._permissions = permissions

    def refresh_token(self, app_id: str) -> str:
        """Return an app's ``authorizer_refresh_token``."""
        return self._authorizations[app_id].refresh_token

    def change_refresh_token(self, app_id: str) -> None:
        """Let the next refresh answer another refresh token; the one used works for 5 more minutes."""
        self._authorizations[app_id].changing = True

    def change_access_token(self) -> None:
        """End the platform's access token, and have another one."""
        self.access_token = new_token()

    def authorizer_token(self, call: Call, now: datetime) -> Said:
        """Answer ``/cgi-bin/component/api_authorizer_token``.

        Which of several faults WeChat names first, and 40013 for another platform's AppID, is our guess.
        """
        self._check_access_token(call)
        body = posted(call)
        if body.get("component_appid") != self.app_id:
            raise Refusal(40013)
        app_id = self._authorizer(body)
        self._authorizations[app_id].use(body.get("authorizer_refresh_token"), now)
        issued = self._tokens.authorizer(app_id, now).answer(now)
        return Said(
            {
                "authorizer_access_token": issued["access_token"],
                "expires_in": issued["expires_in"],
                "authorizer_refresh_token": self.refresh_token(app_id),
            }
        )

    def _check_access_token(self, call: Call) -> None:
        # WeChat's pages show both names.
        given = call.query.get("access_token") or call.query.get("component_access_token")
        if not given:
            raise Refusal(41001)
        if given != self.access_token:
            raise Refusal(40001)

    def _authorizer(self, body: Fields) -> str:
        app_id = body.get("authorizer_appid")
        if not isinstance(app_id, str) or app_id not in self._authorizations:
            raise Refusal(61007)  # our guess, as for an app that has left the platform
        self._permissions.check("component")
        return app_id
