"""Secrets of a connection in Airflow's hands: masked in its logs, and a changed refresh token kept by it."""

from __future__ import annotations

import base64
import hmac
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_wechat.airflow_versions import hide_from_logs, keep_variable, kept_variable
from airflow_wechat.client.options import OPTIONS, Options
from airflow_wechat.client.secret import Secret

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_FIELD = "authorizer_refresh_token"

_log = logging.getLogger(__name__)


def mask_secrets(options: Options) -> None:
    """Tell Airflow's masker the secrets among the options, whose names it does not know for secret."""
    for name, option in OPTIONS.items():
        if option.secret and name in options:
            hide_from_logs(options[name])


@dataclass(frozen=True)
class KeptRefreshToken:
    """A refresh token that WeChat has changed, encrypted in a Variable of Airflow's.

    A worker cannot write to its connection. The key is made of the token that was replaced, so that only who
    holds the connection can read the Variable, and it counts for as long as the connection holds that token;
    see ``docs/decisions/changed-refresh-token.md``.

    :param app_id: the Mini Program's AppID
    :param given: the connection's options
    """

    app_id: str
    given: Options

    @property
    def variable(self) -> str:
        """The Variable's key: all connections of a platform to a Mini Program share it."""
        return f"wechat_{_FIELD}_{self.given['component_appid']}_{self.app_id}"

    def options(self) -> Options:
        """Return the connection's options, with the refresh token that replaced its own, if one did."""
        if _FIELD not in self.given:
            return self.given
        kept = self._kept()
        return replace(self.given, given={**self.given.given, _FIELD: kept}) if kept else self.given

    def keep(self, changed: Secret) -> None:
        """Keep a changed token, and say where; a failure to do so is told and ends nothing."""
        hide_from_logs(changed)
        value = self._cipher().encrypt(changed.encode()).decode()
        try:
            keep_variable(self.variable, value, "Changed by WeChat, encrypted: goes with the connection")
        except Exception as error:  # noqa: BLE001 - whatever it is, the task has a token that is good
            _log.error(
                "The changed refresh token could not be kept in the Variable %s (%s): if the next run is "
                "refused, the platform has to be authorised again",
                self.variable,
                type(error).__name__,
            )
        else:
            _log.warning(
                "The changed refresh token is kept, encrypted, in the Variable %s, and used from there until "
                "the connection has another one",
                self.variable,
            )

    def _kept(self) -> str | None:
        from cryptography.fernet import InvalidToken

        value = kept_variable(self.variable)
        with suppress(InvalidToken, UnicodeError):
            kept = self._cipher().decrypt(str(value).encode()).decode()
            hide_from_logs(kept)
            return kept
        return None

    def _cipher(self) -> Fernet:
        from cryptography.fernet import Fernet

        replaced = self.given[_FIELD].encode()
        return Fernet(base64.urlsafe_b64encode(hmac.digest(replaced, self.variable.encode(), "sha256")))
