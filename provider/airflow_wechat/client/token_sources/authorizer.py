"""A third-party platform's token for a Mini Program that has authorised it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from airflow_wechat.client.errors import FixCredentialsError, RenewTokenError
from airflow_wechat.client.secret import HIDDEN, Secret, is_sendable
from airflow_wechat.client.tokens import Clock, HeldToken, Issued, TokenSource, issued_by
from airflow_wechat.client.transport import Transport

AUTHORIZER_TOKEN_PATH = "/cgi-bin/component/api_authorizer_token"  # noqa: S105

_REFRESH_TOKEN_INVALID = 61023

_log = logging.getLogger(__name__)


class AuthorizerToken(HeldToken):
    """Tokens that a platform gets for an authoriser's Mini Program, by the platform's own token.

    Where WeChat answers another refresh token than the one given, that is used from then on and handed to
    ``keep``: the former one works for five more minutes, and one that is lost costs a new authorisation.
    See https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/ticket-token/getAuthorizerAccessToken.html

    :param app_id: the authoriser's AppID
    :param component_tokens: where the platform's own token comes from
    :param refresh_token: the authoriser's refresh token
    :param reread: reads the refresh token again, in case another run was given a changed one
    :param keep: takes a changed refresh token to where it is found next time
    """

    def __init__(
        self,
        transport: Transport,
        app_id: str,
        component_app_id: str,
        component_tokens: TokenSource,
        refresh_token: Secret,
        reread: Callable[[], Secret],
        keep: Callable[[Secret], None],
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self._transport = transport
        self._app_id = app_id
        self._component_app_id = component_app_id
        self._component_tokens = component_tokens
        self._refresh_token = refresh_token
        self._reread = reread
        self._keep = keep

    def _issue(self, stale: Secret | None) -> Issued:  # noqa: ARG002 - each call makes a new one
        try:
            return self._ask_as_component()
        except FixCredentialsError as refused:
            known = self._reread()
            if refused.errcode != _REFRESH_TOKEN_INVALID or known == self._refresh_token:
                raise
            self._refresh_token = known
        return self._ask_as_component()

    def _ask_as_component(self) -> Issued:
        component_token = self._component_tokens.token()
        try:
            return self._ask(component_token)
        except RenewTokenError:
            component_token = self._component_tokens.renewed(component_token)
        try:
            return self._ask(component_token)
        except RenewTokenError as refused:
            raise FixCredentialsError(
                refused.errmsg,
                refused.errcode,
                refused.path,
                "see whether component_access_token, or what token_url gives, is the present token of the "
                "platform that component_appid names",
            ) from None

    def _ask(self, component_token: Secret) -> Issued:
        answer = self._transport.post(
            AUTHORIZER_TOKEN_PATH,
            {
                "component_appid": self._component_app_id,
                "authorizer_appid": self._app_id,
                "authorizer_refresh_token": self._refresh_token,
            },
            query={"component_access_token": component_token},
            quoting=False,
        )
        self._note_refresh_token(answer.get("authorizer_refresh_token"))
        return issued_by(answer, AUTHORIZER_TOKEN_PATH, "authorizer_access_token")

    def _note_refresh_token(self, answered: object) -> None:
        if not isinstance(answered, str) or answered in (self._refresh_token, HIDDEN):
            return
        if not is_sendable(answered):
            return  # it could not be kept either
        self._refresh_token = Secret(answered)
        _log.warning(
            "WeChat has changed the authorizer_refresh_token of %s: the one in the connection's Extra ends "
            "in five minutes",
            self._app_id,
        )
        self._keep(self._refresh_token)
