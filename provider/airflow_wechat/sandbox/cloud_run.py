"""The Cloud Run container of an app: WeChat knows whoever calls from there."""

from __future__ import annotations

import secrets
from dataclasses import replace

from airflow_wechat.sandbox.calls import Call, Fields
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.replies import Reply, Said
from airflow_wechat.sandbox.tokens import new_token


class CloudRun:
    """The first app's container.

    :param app_id: the app's
    :param vouching: whether calls without any token come from there; its own token is good always
    """

    def __init__(self, app_id: str, *, vouching: bool) -> None:
        self.access_token = new_token()
        self._app_id = app_id
        self._vouching = vouching

    def change_access_token(self) -> None:
        """End the container's token, and have another one."""
        self.access_token = new_token()

    def app_of(self, call: Call) -> str | None:
        """Return the AppID for which a call comes from the container; ``None`` where it does not.

        :raises Refusal: for a container's token that is not good
        """
        token = call.query.get("cloudbase_access_token")
        if token is None:
            return self._app_id if self._vouching and not call.query.get("access_token") else None
        if token != self.access_token:
            raise Refusal(40001)
        return self._app_id

    def marked(self, said: Said) -> Said:
        """Return what is said to the container; that WeChat marks it for one with a token is our guess."""

        def dress(answer: Fields) -> Reply:
            reply = said.dress(answer)
            return replace(reply, headers={**reply.headers, "x-openapi-seqid": secrets.token_hex(16)})

        return replace(said, dress=dress)
