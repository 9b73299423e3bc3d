"""No token of ours: WeChat knows its own Cloud Run containers, or they find a token in a file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from airflow_wechat.client.base_url import is_loopback
from airflow_wechat.client.errors import FixCredentialsError, RenewTokenError
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.tokens import Proof

TOKEN_FILE = Path("/.tencentcloudbase/wx/cloudbase_access_token")

_NONE = Secret("")


class CloudRunToken:
    """What a call carries from inside a WeChat Cloud Run container.

    Over plain http nothing: WeChat's proxy in the container vouches for it. Over https the token that the
    platform keeps fresh in a file.

    :param base_url: where calls go
    :param file: where the token is
    """

    parameter = "cloudbase_access_token"
    proof = Proof.NONE  # only the interfaces that the console permits can be asked: nothing to try it on

    def __init__(self, base_url: str, file: Path | None = None) -> None:
        parts = urlsplit(base_url)
        self._file = file or TOKEN_FILE
        self._local = is_loopback(parts.hostname or "")
        self._may_send = self._local or parts.scheme == "https"

    def token(self) -> Secret:
        """Return the token in the file; an empty one where none is to be sent.

        :raises FixCredentialsError: over https, where there is no file
        """
        if not self._may_send:
            return _NONE
        token = self._read()
        if token or self._local:
            return Secret(token)
        raise FixCredentialsError(
            f"token_source=none over https needs a token in the file {self._file}",
            advice="run the worker inside WeChat Cloud Run with its token switched on in the console, or "
            "make the connection's host http://api.weixin.qq.com, which works there without a token",
        )

    def _read(self) -> str:
        with suppress(OSError, UnicodeError):  # whose words would hold the file's
            return self._file.read_text().strip()
        return ""

    def renewed(self, stale: Secret) -> Secret:
        """Return the token that is in the file by now.

        :raises RenewTokenError: where it is the one that WeChat has refused
        """
        token = self.token()
        if token == stale:
            raise RenewTokenError(
                "WeChat refuses a call with token_source=none",
                advice="run the worker inside WeChat Cloud Run, with the call's path among the interfaces "
                "that its console permits",
            )
        return token
