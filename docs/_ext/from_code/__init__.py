"""Puts into the pages what the code's own tables say, so that the docs cannot say anything else.

A page asks for it with a line ``<!-- from the code: errors -->``. Only :func:`setup` knows of Sphinx.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from from_code import pictures, tables

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PARTS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "reports": tables.reports,
        "columns": tables.columns,
        "options": tables.options,
        "errors": tables.errors,
        "errcodes": tables.errcodes,
        "parameters": tables.parameters,
        "commands": tables.commands,
        "sandbox": tables.sandbox,
        "roads": tables.roads,
        "checks": tables.checks,
        "configuration": tables.configuration,
        "starts": tables.starts,
        "picture of periods": pictures.periods,
        "picture of starts": pictures.starts,
    }
)
"""What a page may ask for: each makes Markdown."""

_ASKED = re.compile(r"^<!-- from the code: (.+?) -->$", flags=re.MULTILINE)


def expand(page: str) -> str:
    """Return a page with everything it asks for.

    :raises KeyError: for what there is not
    """
    return _ASKED.sub(lambda asked: PARTS[asked[1]](), page)


def setup(app: Sphinx) -> dict[str, Any]:
    """Expand each page before Sphinx reads it."""

    def expand_source(_: Sphinx, __: str, source: list[str]) -> None:
        source[0] = expand(source[0])

    app.connect("source-read", expand_source)
    return {"parallel_read_safe": True}
