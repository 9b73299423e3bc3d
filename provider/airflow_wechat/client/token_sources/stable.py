"""``stable_token``: the token that everybody with the AppSecret gets."""

from __future__ import annotations

import time
from functools import partial

from airflow_wechat.client.answers import checked
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.tokens import Clock, HeldToken, Issued, issued_by
from airflow_wechat.client.transport import Transport

STABLE_TOKEN_PATH = "/cgi-bin/stable_token"  # noqa: S105

_FORCE_APART = 30.0


class StableToken(HeldToken):
    """Tokens of ``/cgi-bin/stable_token``: everybody who asks with the same AppSecret gets the same one.

    After a refusal WeChat is asked in normal mode; only where it answers the very token it refused, once with
    ``force_refresh``, and never twice within 30 seconds.
    See https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html
    """

    def __init__(
        self, transport: Transport, app_id: str, app_secret: str, clock: Clock = time.monotonic
    ) -> None:
        super().__init__(clock)
        self._transport = transport
        self._app_id = app_id
        self._app_secret = Secret(app_secret)
        self._forced_at: float | None = None

    def _issue(self, stale: Secret | None) -> Issued:
        issued = self._ask()
        if issued.value == stale and self._may_force():
            self._forced_at = self._clock()
            issued = self._ask(force_refresh=True)
        return issued

    def _may_force(self) -> bool:
        return self._forced_at is None or self._clock() - self._forced_at >= _FORCE_APART

    def _ask(self, *, force_refresh: bool = False) -> Issued:
        answer = self._transport.post(
            STABLE_TOKEN_PATH,
            {
                "grant_type": "client_credential",
                "appid": self._app_id,
                "secret": self._app_secret,
                "force_refresh": force_refresh,
            },
            read=partial(checked, path=STABLE_TOKEN_PATH, token_endpoint=True),
            quoting=False,
            repeatable=not force_refresh,
        )
        return issued_by(answer, STABLE_TOKEN_PATH)
