"""What both sides of an encrypted and signed call do: AES-256-GCM around the body, RSA-PSS signatures. Pure.

Source: https://developers.weixin.qq.com/miniprogram/dev/server/getting_started/api_signature.html
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from airflow_wechat.client.base_url import DEFAULT_BASE_URL, is_wechats

MAX_SKEW = 300
"""How far apart the two clocks may be, in seconds."""

APP_ID, TIMESTAMP = "Wechatmp-Appid", "Wechatmp-TimeStamp"
SERIAL, SIGNATURE = "Wechatmp-Serial", "Wechatmp-Signature"
DEPRECATED_SERIAL, DEPRECATED_SIGNATURE = "Wechatmp-Serial-Deprecated", "Wechatmp-Signature-Deprecated"

PARTS = ("iv", "data", "authtag")
"""What the body of an encrypted call or answer consists of."""

_SECURITY_FIELDS = ("_n", "_appid", "_timestamp")
_IV_BYTES, _TAG_BYTES, _SALT_BYTES = 12, 16, 32


def signed_url(base_url: str, path: str) -> str:
    """Return a call's URL as WeChat sees it, without a query: this is what gets signed and authenticated.

    It is the base URL's own where the host is WeChat's (``*.weixin.qq.com``). Any other host, a gateway or
    the sandbox, passes the call on to ``https://api.weixin.qq.com``.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    return (f"{parts.scheme}://{host}{parts.path}" if is_wechats(host) else DEFAULT_BASE_URL) + path


@dataclass(frozen=True)
class Stamp:
    """What a body is bound to.

    :param url: as :func:`signed_url` gives it
    :param timestamp: seconds since 1970
    """

    url: str
    app_id: str
    timestamp: int

    def lines(self, body: bytes) -> bytes:
        """Return the four lines that get signed."""
        return f"{self.url}\n{self.app_id}\n{self.timestamp}\n".encode() + body

    def associated_data(self, sym_sn: str) -> bytes:
        """Return what AES-GCM authenticates beside the text it encrypts."""
        return f"{self.url}|{self.app_id}|{self.timestamp}|{sym_sn}".encode()


@dataclass(frozen=True)
class SymKey:
    """An app's symmetric key: 32 bytes, and the serial number WeChat gave it."""

    key: bytes = field(repr=False)
    sn: str

    def encrypt(self, stamp: Stamp, fields: Mapping[str, Any], nonce: str, iv: bytes) -> bytes:
        """Return the body ``{"iv", "data", "authtag"}`` that holds a call's or an answer's fields.

        :param nonce: a random text
        :param iv: 12 bytes, never the same again
        """
        plain = {"_n": nonce, "_appid": stamp.app_id, "_timestamp": stamp.timestamp, **fields}
        text = AESGCM(self.key).encrypt(iv, compact_json(plain), stamp.associated_data(self.sn))
        parts = (iv, text[:-_TAG_BYTES], text[-_TAG_BYTES:])
        return compact_json(dict(zip(PARTS, map(_base64, parts), strict=True)))

    def decrypt(self, stamp: Stamp, sealed: Mapping[str, Any]) -> bytes | None:
        """Return the text in a body's JSON; ``None`` where it was encrypted otherwise or changed since."""
        iv, data, tag = (unbase64(sealed.get(part)) or b"" for part in PARTS)
        if (len(iv), len(tag)) == (_IV_BYTES, _TAG_BYTES):
            with suppress(InvalidTag):
                return AESGCM(self.key).decrypt(iv, data + tag, stamp.associated_data(self.sn))
        return None


def sign(key: RSAPrivateKey, lines: bytes) -> str:
    """Return the signature in base64."""
    return _base64(key.sign(lines, PSS(MGF1(SHA256()), _SALT_BYTES), SHA256()))


def verify(key: RSAPublicKey, lines: bytes, signature: str) -> bool:
    """Tell whether the lines are what the key's owner signed, with a salt of any length."""
    with suppress(InvalidSignature):
        key.verify(unbase64(signature) or b"", lines, PSS(MGF1(SHA256()), PSS.AUTO), SHA256())
        return True
    return False


def fresh(random_bytes: Callable[[int], bytes] = os.urandom) -> tuple[str, bytes]:
    """Return a nonce and an iv that nobody used before."""
    return _base64(random_bytes(16)).rstrip("="), random_bytes(_IV_BYTES)


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body; an empty one where there is none."""
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(body.decode("utf-8"))
    return value if isinstance(value, dict) else {}


def without_security_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a call or an answer itself says."""
    return {name: value for name, value in fields.items() if name not in _SECURITY_FIELDS}


def compact_json(fields: Mapping[str, Any]) -> bytes:
    """Return fields as JSON without blanks."""
    return json.dumps(fields, separators=(",", ":")).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unbase64(text: object) -> bytes | None:
    """Return what a text says in base64; ``None`` where it is none."""
    if isinstance(text, str):
        with suppress(ValueError):
            return base64.b64decode(text, validate=True)
    return None
