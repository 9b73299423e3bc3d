"""WeChat's side of encrypted and signed calls. No HTTP and no clock of its own."""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from airflow_wechat.client.signing import (
    APP_ID,
    DEPRECATED_SERIAL,
    DEPRECATED_SIGNATURE,
    MAX_SKEW,
    SERIAL,
    SIGNATURE,
    TIMESTAMP,
    Stamp,
    SymKey,
    fresh,
    json_object,
    sign,
    verify,
    without_security_fields,
)
from airflow_wechat.sandbox.refusals import Refusal

_APP_ID = re.compile("wx[0-9a-f]{16}")
_TIMESTAMP = re.compile("[0-9]{1,12}")
_MISSING = ((TIMESTAMP, 40231), (SIGNATURE, 40232), (APP_ID, 40233))
_HEADERS = ((SERIAL, SIGNATURE), (DEPRECATED_SERIAL, DEPRECATED_SIGNATURE))


@dataclass(frozen=True)
class _Certificate:
    """A platform certificate, its key and the serial number that the console shows."""

    key: RSAPrivateKey
    pem: str
    sn: str


@dataclass(frozen=True)
class _Keys:
    """What an app has set in WeChat's console; the certificates, the latest first, are WeChat's."""

    sym_key: SymKey
    app_key: RSAPrivateKey
    certificates: tuple[_Certificate, ...]


class SealedSide:
    """Opens an app's calls and seals the answers. Threads may share one.

    Its keys are made when the first is needed, which takes a moment.

    :param sym_key_set: whether the app has set a symmetric key
    :param public_key_set: whether the app has set its public key
    """

    def __init__(self, app_id: str, *, sym_key_set: bool = True, public_key_set: bool = True) -> None:
        self._app_id = app_id
        self._sym_key_set = sym_key_set
        self._public_key_set = public_key_set
        self._made: _Keys | None = None
        self._lock = threading.Lock()

    @property
    def extra(self) -> dict[str, str]:
        """What the app's console shows now, as fields of a connection's Extra."""
        keys = self._keys()
        return {
            "sym_key": base64.b64encode(keys.sym_key.key).decode(),
            "sym_sn": keys.sym_key.sn,
            "private_key": keys.app_key.private_bytes(
                Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
            ).decode(),
            "certificate": keys.certificates[0].pem,
            "certificate_sn": keys.certificates[0].sn,
        }

    def change_certificate(self) -> None:
        """Begin to sign with a new platform certificate too; of those before, the last stays in use."""
        keys, latest = self._keys(), _certificate()
        with self._lock:
            self._made = _Keys(keys.sym_key, keys.app_key, (latest, keys.certificates[0]))

    def open(self, url: str, headers: Mapping[str, str], body: bytes, now: float) -> dict[str, Any]:
        """Return what a call says; which of several faults WeChat names first is our guess.

        :param url: ``https://api.weixin.qq.com`` and the path
        :param now: the present moment, in seconds since 1970
        :raises Refusal: for a call that is not sealed as WeChat documents it
        """
        said = {name.lower(): value for name, value in headers.items()}
        stamp = self._stamp(url, said, now)
        keys = self._keys()
        if not self._public_key_set:
            raise Refusal(40239)
        if not verify(keys.app_key.public_key(), stamp.lines(body), said[SIGNATURE.lower()]):
            raise Refusal(40234)
        if not self._sym_key_set:
            raise Refusal(40238)
        return _fields(keys.sym_key, stamp, body)

    def _stamp(self, url: str, said: Mapping[str, str], now: float) -> Stamp:
        for name, errcode in _MISSING:
            if not said.get(name.lower()):
                raise Refusal(errcode)
        app_id, timestamp = said[APP_ID.lower()], said[TIMESTAMP.lower()]
        if app_id != self._app_id:
            raise Refusal(40237 if _APP_ID.fullmatch(app_id) else 40236)
        if not _TIMESTAMP.fullmatch(timestamp) or abs(int(timestamp) - int(now)) > MAX_SKEW:
            raise Refusal(40240)
        return Stamp(url, app_id, int(timestamp))

    def seal(self, url: str, answer: Mapping[str, Any], now: float) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers of an answer.

        :param url: ``https://api.weixin.qq.com`` and the path
        :param now: the present moment, in seconds since 1970
        """
        keys = self._keys()
        stamp = Stamp(url, self._app_id, int(now))
        body = keys.sym_key.encrypt(stamp, answer, *fresh())
        headers = {APP_ID: self._app_id, TIMESTAMP: str(stamp.timestamp)}
        for (serial, signature), certificate in zip(_HEADERS, keys.certificates, strict=False):
            headers |= {serial: certificate.sn, signature: sign(certificate.key, stamp.lines(body))}
        return body, headers

    def _keys(self) -> _Keys:
        with self._lock:
            if self._made is None:
                sym_key = SymKey(secrets.token_bytes(32), secrets.token_hex(16))
                self._made = _Keys(sym_key, _rsa_key(), (_certificate(),))
            return self._made


def _fields(sym_key: SymKey, stamp: Stamp, body: bytes) -> dict[str, Any]:
    fields = json_object(sym_key.decrypt(stamp, json_object(body)) or b"")
    if (fields.get("_appid"), fields.get("_timestamp")) != (stamp.app_id, stamp.timestamp):
        raise Refusal(40235)
    return without_security_fields(fields)


def _rsa_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _certificate() -> _Certificate:
    key = _rsa_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "WeChat sandbox")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=5 * 365))
        .sign(key, SHA256())
    )
    return _Certificate(key, certificate.public_bytes(Encoding.PEM).decode(), secrets.token_hex(16))
