"""How WeChat says no: an errcode, its words and a request id."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

ERRMSGS: Mapping[int, str] = MappingProxyType(
    {
        -1: "system error",
        40001: "invalid credential, access_token is invalid or not latest",
        40002: "invalid grant_type",
        40013: "invalid appid",
        40066: "invalid url",
        40125: "invalid appsecret",
        40164: "invalid ip {address} ipv6 ::ffff:{address}, not in whitelist",
        40231: "missing Wechatmp-TimeStamp",
        40232: "missing Wechatmp-Signature",
        40233: "missing Wechatmp-Appid",
        40234: "invalid signature",
        40235: "invalid encrypt",
        40236: "invalid Wechatmp-Appid",
        40237: "Wechatmp-Appid and access_token do not match",
        40238: "symmetric key not set",
        40239: "public key not set",
        40240: "Wechatmp-TimeStamp expired",
        41001: "access_token missing",
        41002: "appid missing",
        41004: "appsecret missing",
        42001: "access_token expired",
        43001: "require GET method",
        43002: "require POST method",
        44002: "empty post data",
        45009: "reach max api daily quota limit",
        45011: "api minute-quota reach limit, must slower, retry next minute",
        47001: "data format error",
        48001: "api unauthorized",
        61007: "api is unauthorized to component",
        61023: "refresh_token is invalid",
        61500: "date format error",
        61501: "date range error",
        61503: "data not ready, please try later",
        61504: "system busy",
        76021: "cgi_path not found, please check",
        -501000: "env not exists",
        -501009: "function not exists",
        -604101: "function has no permission to call this API",
    }
)
"""WeChat's words for its codes."""


class Refusal(Exception):  # noqa: N818 - WeChat's answer to a caller, no error of ours
    """WeChat refuses a call.

    :param errcode: WeChat's code; one that is not in :data:`ERRMSGS` gets words of its own
    :param details: what the code's words name
    """

    def __init__(self, errcode: int, **details: str) -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self._errmsg = ERRMSGS.get(errcode, f"sandbox error {errcode}").format(**details)

    def answer(self, now: datetime) -> dict[str, Any]:
        """Return the JSON object WeChat sends, with a ``rid`` that nobody else gets."""
        rid = f"{int(now.timestamp()) & 0xFFFFFFFF:08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
        return {"errcode": self.errcode, "errmsg": f"{self._errmsg} rid: {rid}"}
