"""Encrypted and signed calls, the caller's side: seals calls and opens WeChat's answers.

An account switches them on in WeChat's console, under "API security".
Source: https://developers.weixin.qq.com/miniprogram/dev/server/getting_started/api_signature.html
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_wechat.client.errors import CheckAnswerError
from airflow_wechat.client.sealing_keys import RENEW, SealingKeys
from airflow_wechat.client.signing import (
    APP_ID,
    DEPRECATED_SERIAL,
    DEPRECATED_SIGNATURE,
    MAX_SKEW,
    PARTS,
    SERIAL,
    SIGNATURE,
    TIMESTAMP,
    Stamp,
    compact_json,
    fresh,
    json_object,
    sign,
    verify,
    without_security_fields,
)

_log = logging.getLogger(__name__)

_UNSEALED = (
    "see whether API security is switched on in WeChat's console, and whether a proxy or gateway answers in "
    "WeChat's place or takes the Wechatmp- headers away"
)
_CHANGED = (
    "see whether a proxy or gateway changes the answer, and whether certificate and certificate_sn in the "
    "connection's Extra belong together"
)
_CLOCK = (
    "synchronise this machine's clock (NTP); if it is right, see whether a proxy or gateway sends old answers"
)
_SYM_KEY = "see whether sym_key and sym_sn in the connection's Extra are those that WeChat's console shows"


@dataclass(frozen=True)
class Sealed:
    """A call as it goes over the wire."""

    body: bytes
    headers: dict[str, str]


class Sealer:
    """Seals an app's calls and opens WeChat's answers. Threads may share one.

    :param now: the present moment, in seconds since 1970
    """

    def __init__(
        self,
        app_id: str,
        keys: SealingKeys,
        *,
        now: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._app_id = app_id
        self._keys = keys
        self._now = now
        self._random_bytes = random_bytes
        self._warned = False

    def seal(self, url: str, fields: Mapping[str, Any]) -> Sealed:
        """Encrypt and sign a call.

        :param url: as :func:`signed_url` gives it
        """
        stamp = Stamp(url, self._app_id, int(self._now()))
        body = self._keys.sym_key.encrypt(stamp, fields, *fresh(self._random_bytes))
        signature = sign(self._keys.private_key, stamp.lines(body))
        return Sealed(body, {APP_ID: self._app_id, TIMESTAMP: str(stamp.timestamp), SIGNATURE: signature})

    def open(self, url: str, headers: Mapping[str, str], body: bytes, path: str) -> bytes:
        """Verify and decrypt an answer; an error may come in plain JSON, an early one without a signature.

        :param url: as :func:`signed_url` gives it
        :param headers: the answer's, their names in upper or lower case
        :param body: the answer's, byte for byte
        :param path: the path of the call, for errors
        :return: the answer's JSON without security fields; it may carry an errcode
        :raises CheckAnswerError: for an answer that is not WeChat's, not this app's or not of this moment
        """
        said = {name.lower(): value for name, value in headers.items()}
        if said.keys().isdisjoint({SIGNATURE.lower(), DEPRECATED_SIGNATURE.lower()}):
            return _plain_error(body, "an unsigned answer", path)
        stamp = self._stamp(url, said, path)
        signature, deprecated = self._signature(said, path)
        genuine = verify(self._keys.platform_key, stamp.lines(body), signature)
        _check(genuine, "the answer's signature is not right", path, _CHANGED)
        self._check_clock(stamp.timestamp, path)
        if deprecated:
            self._warn_once(said.get(SERIAL.lower()))
        return self._decrypted(stamp, body, path)

    def _stamp(self, url: str, said: Mapping[str, str], path: str) -> Stamp:
        app_id, timestamp = said.get(APP_ID.lower()), said.get(TIMESTAMP.lower(), "")
        ours = app_id == self._app_id
        _check(ours, f"an answer for the app {_shown(app_id)}, not for {self._app_id}", path, _CHANGED)
        number = re.fullmatch("[0-9]{1,12}", timestamp) is not None
        _check(number, f"{TIMESTAMP} is {_shown(timestamp)}, not a number of seconds", path, _CHANGED)
        return Stamp(url, self._app_id, int(timestamp))

    def _signature(self, said: Mapping[str, str], path: str) -> tuple[str, bool]:
        """Return the signature made with the certificate at hand, and whether that one ends soon."""
        held, used = self._keys.certificate_sn, said.get(SERIAL.lower())
        if used == held:
            return said.get(SIGNATURE.lower(), ""), False
        errmsg = f"WeChat signed with the certificate {_shown(used)}, the connection has {_shown(held)}"
        _check(said.get(DEPRECATED_SERIAL.lower()) == held, errmsg, path, RENEW)
        return said.get(DEPRECATED_SIGNATURE.lower(), ""), True

    def _check_clock(self, timestamp: int, path: str) -> None:
        apart = timestamp - int(self._now())
        side = "ahead of" if apart > 0 else "behind"
        errmsg = f"WeChat's clock is {abs(apart)} seconds {side} this machine's, allowed are {MAX_SKEW}"
        _check(abs(apart) <= MAX_SKEW, errmsg, path, _CLOCK)

    def _warn_once(self, latest: str | None) -> None:
        if self._warned:
            return
        self._warned = True
        _log.warning(
            "WeChat's platform certificate %s ends soon, %s takes its place: %s",
            self._keys.certificate_sn,
            _shown(latest),
            RENEW,
        )

    def _decrypted(self, stamp: Stamp, body: bytes, path: str) -> bytes:
        sealed = json_object(body)
        if not sealed.keys() >= {*PARTS}:
            return _plain_error(body, "an answer that is signed but not encrypted", path)
        plain_text = self._keys.sym_key.decrypt(stamp, sealed)
        if plain_text is None:
            raise CheckAnswerError("the answer cannot be decrypted", path=path, advice=_SYM_KEY)
        fields = json_object(plain_text)
        _check(bool(fields), "the encrypted answer is not a JSON object", path)
        app_id, timestamp = fields.get("_appid"), fields.get("_timestamp")
        errmsg = f"the encrypted answer is for the app {_shown(app_id)}, not for {self._app_id}"
        _check(app_id == self._app_id, errmsg, path)
        errmsg = f"the encrypted answer is of {_shown(timestamp)}, its headers of {stamp.timestamp}"
        _check(timestamp == stamp.timestamp, errmsg, path)
        return compact_json(without_security_fields(fields))


def _plain_error(body: bytes, errmsg: str, path: str) -> bytes:
    errcode = json_object(body).get("errcode")
    # Nothing but a number: 0 in any other clothes is a success to whoever reads the answer next.
    _check(type(errcode) is int and errcode != 0, errmsg, path, _UNSEALED)
    return body


def _check(holds: bool, errmsg: str, path: str, advice: str | None = None) -> None:
    if not holds:
        raise CheckAnswerError(errmsg, path=path, advice=advice)


def _shown(value: object) -> str:
    return repr(value)[:80]
