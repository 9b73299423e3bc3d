"""Texts that nobody may read, and hiding them in whatever may be read. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from html import escape
from urllib.parse import quote, quote_plus

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
    """Match a secret in whatever form it is written down.

    Its characters may each be raw, percent-encoded or escaped in JSON. What is encoded further is so as a
    whole: more ways for each character would make a search for many of them endless.
    """
    wholes = {quote(form, safe="") for form in (quote(secret, safe=""), quote_plus(secret))}
    wholes |= {escape(secret), escape(secret, quote=False), escape(secret).replace("&#x27;", "&#39;")}
    as_wholes = "|".join(map(re.escape, sorted(wholes)))
    by_characters = "".join(map(_forms, secret))
    return re.compile("|".join([by_characters, f"(?i:{as_wholes})", *_in_base64(secret.encode())]).encode())


def _forms(char: str) -> str:
    percent = "".join(f"%{byte:02x}" for byte in char.encode())
    plus = r"|\+" if char == " " else ""
    return rf"(?:\\?{re.escape(char)}|(?i:{percent}|\\u{ord(char):04x}){plus})"


def _in_base64(secret: bytes) -> Iterator[str]:
    """Match a secret within something in base64, which may begin at each of three places."""
    for before in range(3):
        data = bytes(before) + secret
        # Without the letters, at both ends, that its neighbours have a part in.
        inner = b64encode(data).decode()[-(-8 * before // 6) : 8 * len(data) // 6]
        if len(inner) >= _SHORTEST:
            yield "".join(_BASE64.get(letter, letter) for letter in inner)


_BASE64 = {"+": r"(?:[+-]|(?i:%2b|\\u002b))", "/": r"(?:[/_]|\\/|(?i:%2f|\\u002f))"}
"""What its two odd letters are written as, also in a URL and in JSON."""
