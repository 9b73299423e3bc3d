"""Texts that nobody may read, and hiding them in whatever may be read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache

HIDDEN = "***"

_SHORTEST = 8  # WeChat's have 32 characters and more; hiding "b" would garble every answer


class Secret(str):
    """A text that is sent as it is and shown to nobody: what it is sent in hides it by its type."""

    __slots__ = ()

    def __repr__(self) -> str:
        return HIDDEN


def is_sendable(text: str) -> bool:
    """Tell whether a text can be sent; half a character, as JSON may hold one, cannot."""
    with suppress(UnicodeEncodeError):  # whose words, and so a chain, would hold the text
        return bool(text.encode())
    return False


def secrets_in(values: Iterable[object]) -> list[str]:
    """Return the secrets among some values that are long enough to be one."""
    return [value for value in values if isinstance(value, Secret) and len(value) >= _SHORTEST]


def hide(text: bytes, secrets: Iterable[str]) -> bytes:
    """Replace secrets in a text, however their characters are written."""
    for secret in secrets:
        text = _written(secret).sub(HIDDEN.encode(), text)
    return text


@lru_cache(maxsize=64)
def _written(secret: str) -> re.Pattern[bytes]:
    """Match a secret however its characters are written: raw, percent-encoded or escaped in JSON."""
    return re.compile("".join(map(_forms, secret)).encode())


def _forms(char: str) -> str:
    percent = "".join(f"%{byte:02x}" for byte in char.encode())
    plus = r"|\+" if char == " " else ""
    return rf"(?:\\?{re.escape(char)}|(?i:{percent}|\\u{ord(char):04x}){plus})"
