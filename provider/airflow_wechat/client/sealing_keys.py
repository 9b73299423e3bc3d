"""The keys of encrypted and signed calls, read from a connection."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from airflow_wechat.client.signing import SymKey, unbase64

_T = TypeVar("_T")

RENEW = (
    "download the latest platform certificate in WeChat's console and put it into the connection's Extra, "
    "with the serial number that the console shows (the one inside the certificate is another)"
)
_ALLOWED = {
    "sym_key": "give the symmetric key, base64 of 32 bytes",
    "sym_sn": "give the symmetric key's serial number from WeChat's console",
    "private_key": "give the app's RSA private key, a PEM text with BEGIN and END, without a password",
    "certificate": "give the platform certificate from WeChat's console, a PEM text with BEGIN and END",
    "certificate_sn": "give the platform certificate's serial number from WeChat's console",
}
_NOT_RSA = ("is not RSA", "SM2 is not supported: choose RSAwithSHA256 in WeChat's console")
_SM4 = "SM4 is not supported: choose AES256_GCM in WeChat's console"
_PEM_BLOCK = re.compile(r"(-----BEGIN [^-]+-----)([A-Za-z0-9+/=\s]*)(-----END [^-]+-----)")


@dataclass(frozen=True)
class SealingKeys:
    """What a connection holds for encrypted and signed calls."""

    sym_key: SymKey
    private_key: RSAPrivateKey = field(repr=False)
    platform_key: RSAPublicKey = field(repr=False)
    certificate_sn: str

    @classmethod
    def read(
        cls, sym_key: str, sym_sn: str, private_key: str, certificate: str, certificate_sn: str
    ) -> SealingKeys:
        r"""Read the fields of a connection's Extra.

        The line ends of a PEM text may be written as ``\n``, or be missing.

        :raises ValueError: for a field that is not allowed; for an expired certificate, as WeChat then signs
            with a later one and nobody answers for the old one's key
        """
        return cls(
            SymKey(_sym_key(_text("sym_key", sym_key)), _text("sym_sn", sym_sn)),
            _private_key(_text("private_key", private_key)),
            _platform_key(_text("certificate", certificate)),
            _text("certificate_sn", certificate_sn),
        )


def _wrong(name: str, problem: str, advice: str | None = None) -> ValueError:
    return ValueError(f"{name} in the connection's Extra {problem}: {advice or _ALLOWED[name]}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, "is blank or no text")
    return value.strip()


def _sym_key(text: str) -> bytes:
    key = unbase64(text)
    if key is None:
        raise _wrong("sym_key", "is not base64")
    if len(key) != 32:
        raise _wrong("sym_key", f"has {len(key)} bytes", _SM4 if len(key) == 16 else None)
    return key


def _private_key(text: str) -> RSAPrivateKey:
    key = _loaded("private_key", lambda: load_pem_private_key(_pem(text), None))
    if not isinstance(key, RSAPrivateKey):
        raise _wrong("private_key", *_NOT_RSA)
    _check_size("private_key", key.key_size)
    return key


def _platform_key(text: str) -> RSAPublicKey:
    certificate = _loaded("certificate", lambda: load_pem_x509_certificate(_pem(text)))
    key = _loaded("certificate", certificate.public_key)
    if not isinstance(key, RSAPublicKey):
        raise _wrong("certificate", *_NOT_RSA)
    _check_size("certificate", key.key_size)
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise _wrong("certificate", f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}", RENEW)
    return key


def _check_size(name: str, bits: int) -> None:
    if bits < 2048:
        raise _wrong(name, f"has a key of {bits} bits", "give one with an RSA key of 2048 bits or more")


def _pem(text: str) -> bytes:
    text = text.replace(r"\r", "").replace(r"\n", "\n")
    return _PEM_BLOCK.sub(
        lambda block: f"{block[1]}\n{''.join(block[2].split())}\n{block[3]}\n", text
    ).encode()


def _loaded(name: str, load: Callable[[], _T]) -> _T:
    advice = None
    try:
        return load()
    except UnsupportedAlgorithm:  # SM2's curve
        problem, advice = _NOT_RSA
    except TypeError:
        problem = "is protected with a password"
    except ValueError:
        problem = "cannot be read"
    raise _wrong(name, problem, advice)  # outside the handlers: nothing to chain
