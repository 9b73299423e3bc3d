"""``stable_token``: the token that everybody with the AppSecret gets."""

from __future__ import annotations

import time
from functools import cached_property, partial

from airflow_wechat.client.answers import checked
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.token_sources.forced import ForcedRefreshes
from airflow_wechat.client.tokens import Clock, HeldToken, Issued, issued_by
from airflow_wechat.client.transport import Transport

STABLE_TOKEN_PATH = "/cgi-bin/stable_token"  # noqa: S105


class StableToken(HeldToken):
    """Tokens of ``/cgi-bin/stable_token``: everybody who asks with the same AppSecret gets the same one.

    After a refusal WeChat is asked in normal mode; only where it answers the very token it refused, once with
    ``force_refresh``, and of all this machine's workers only by one, never twice within 30 seconds.
    See https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getStableAccessToken.html

    :param forced: when the token was forced; by default the moments that the machine's workers share
    """

    def __init__(
        self,
        transport: Transport,
        app_id: str,
        app_secret: str,
        clock: Clock = time.monotonic,
        forced: ForcedRefreshes | None = None,
    ) -> None:
        super().__init__(clock)
        self._transport = transport
        self._app_id = app_id
        self._app_secret = Secret(app_secret)
        self._given_forced = forced

    @cached_property
    def _forced(self) -> ForcedRefreshes:
        return self._given_forced or ForcedRefreshes.of(
            self._transport.base_url, self._app_id, self._app_secret, self._transport.wechats_now
        )

    def _issue(self, stale: Secret | None) -> Issued:
        if stale is None:
            return self._ask()
        began = time.monotonic()
        issued = self._ask()
        asked_at = self._forced.now() - (time.monotonic() - began)  # by the clock that the answer has told
        return issued if issued.value != stale else self._other_than(issued, asked_at)

    def _other_than(self, issued: Issued, asked_at: float) -> Issued:
        try:
            with self._forced.turn():
                if not self._forced.since(asked_at):  # by another worker, after we were answered
                    return self._force() if self._forced.allowed() else issued
        except TimeoutError:  # another worker hangs while it forces
            return issued
        return self._ask()

    def _force(self) -> Issued:
        self._forced.note()  # before, lest it be forgotten should this process be killed meanwhile
        try:
            return self._ask(force_refresh=True)
        finally:
            self._forced.answered()

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
