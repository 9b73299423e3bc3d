"""Secrets that are easily found again, all that may tell one, and the search for them in every form."""

from __future__ import annotations

import base64
import html
import json
import logging
import pickle
import re
import secrets
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, quote_plus

ODD = "+/ %=&"
"""What a form writes otherwise than it is."""

_PIECE = 16
_LEAST = 8  # letters; of fewer, base64 is found by chance


class Canaries:
    """Secrets that nobody else has, each with odd characters at its begin and at its end."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def __call__(self, name: str) -> str:
        """Return a new one and remember it; none has blanks at its ends, where they may be cut off."""
        self.planted.append(f"{name[:6]}{ODD}{secrets.token_hex(24)}{ODD}{name[:6]}")
        return self.planted[-1]


# Forms


def _by_percent(secret: str) -> Iterator[str]:
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield with_small_escapes(encoded)
        yield quote(encoded, safe="")


def with_small_escapes(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), text)


def _by_json(secret: str) -> Iterator[str]:
    plain = json.dumps(secret)[1:-1]
    yield plain
    yield plain.replace("/", "\\/")
    for escaped in ("[&]", "[&=]", "[&=+]", r"[&=+/]", r"\W", "."):
        for form in ("\\u{:04x}", "\\u{:04X}"):
            yield re.sub(escaped, lambda char, form=form: form.format(ord(char[0])), secret)  # type: ignore[misc]


def _by_base64(secret: str) -> Iterator[str]:
    """Write it down as a part of something longer, which may begin at each of three places."""
    for before in range(3):
        data = bytes(before) + secret.encode()
        inner = base64.b64encode(data).decode()[-(-8 * before // 6) : 8 * len(data) // 6]
        if len(inner) >= _LEAST:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def _by_html(secret: str) -> Iterator[str]:
    yield html.escape(secret)
    yield html.escape(secret, quote=False)


def _by_hex(secret: str) -> Iterator[str]:
    """Write it down as PostgreSQL shows bytes."""
    yield secret.encode().hex()
    yield secret.encode().hex().upper()


FORMS: Mapping[str, Callable[[str], Iterable[str]]] = MappingProxyType(
    {
        "raw": lambda secret: [secret],
        "percent-encoded": _by_percent,
        "JSON": _by_json,
        "HTML": _by_html,
        "base64": _by_base64,
        "hexadecimal": _by_hex,
    }
)
"""The ways to write a secret down."""


@lru_cache(maxsize=10_000)
def written(secret: str) -> frozenset[str]:
    """Every way in which a secret may be written down as a whole."""
    return frozenset(spelling for form in FORMS.values() for spelling in form(secret))


@lru_cache(maxsize=1000)
def spellings(secret: str) -> frozenset[str]:
    """Every way in which a secret, its begin, its middle or its end may be written down."""
    middle = (len(secret) - _PIECE) // 2
    places = (0, middle, len(secret) - _PIECE) if middle > _PIECE // 2 else ()
    pieces = (secret[place : place + _PIECE] for place in places)
    return written(secret).union(*map(written, pieces))


def spelled_in(text: str, *hidden: str) -> list[str]:
    """Return the spellings of secrets that are found in a text."""
    return [
        spelling for secret in dict.fromkeys(hidden) for spelling in spellings(secret) if spelling in text
    ]


def files_with(folder: Path, *hidden: str) -> list[Path]:
    """Return the files below a folder that have a secret in them, or in their names."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if spelled_in(f"{file}\n{file.read_bytes().decode('latin-1')}", *hidden)]


# What tells


def told(error: BaseException) -> str:
    """All that an exception tells, in every way that one is told."""
    parts = ["".join(traceback.format_exception(error)), pickle.dumps(error).decode("latin-1")]
    chain: list[BaseException | None] = [error]
    while chain:
        if link := chain.pop():
            parts += [str(link), repr(link), repr(link.args), repr(vars(link))]
            chain += [link.__cause__, link.__context__]
    return "\n".join(parts)


def shown(*things: object) -> str:
    """All that an object shows of itself: as a text, and pickled where it lets itself be."""
    parts = [f"{thing!s} {thing!r}" for thing in things]
    for thing in things:
        with suppress(TypeError, AttributeError, pickle.PicklingError):
            parts.append(pickle.dumps(thing).decode("latin-1"))
    return "\n".join(parts)


class Everything(logging.Handler):
    """Keeps whatever is logged: as it reads, and each part of it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.__dict__!r}")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def everything_logged() -> Iterator[Everything]:
    """Listen at DEBUG to every logger there is."""
    handler, root = Everything(), logging.getLogger()
    loggers: list[Any] = [root, *root.manager.loggerDict.values()]
    before = [(one, one.level, one.disabled) for one in loggers if isinstance(one, logging.Logger)]
    heard = [one for one, _, _ in before if one is root or not one.propagate]
    for one, _, _ in before:
        one.setLevel(logging.DEBUG)
        one.disabled = False
    for one in heard:
        one.addHandler(handler)
    try:
        yield handler
    finally:
        for one in heard:
            one.removeHandler(handler)
        for one, level, disabled in before:
            one.setLevel(level)
            one.disabled = disabled
