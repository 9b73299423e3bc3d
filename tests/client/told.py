"""Where a secret would show: all that an exception tells, and every way to write a secret down."""

from __future__ import annotations

import pickle
import re
import traceback
from urllib.parse import quote, quote_plus


def spellings(secret: str) -> set[str]:
    """Every way in which a secret may be written down."""
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, secret.replace("/", "\\/"), *encoded, *map(with_small_escapes, encoded)}


def with_small_escapes(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), text)


def spelled_in(text: str, *secrets: str) -> list[str]:
    """Return the spellings of secrets that are found in a text."""
    return [spelling for secret in secrets for spelling in spellings(secret) if spelling in text]


def told(error: BaseException) -> str:
    """All that an exception tells, in every way that one is told."""
    parts = ["".join(traceback.format_exception(error)), pickle.dumps(error).decode("latin-1")]
    chain: list[BaseException | None] = [error]
    while chain:
        if link := chain.pop():
            parts += [str(link), repr(link), repr(link.args), repr(vars(link))]
            chain += [link.__cause__, link.__context__]
    return "\n".join(parts)
