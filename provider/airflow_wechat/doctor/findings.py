"""What an examination finds, as text and as JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple

_CHECK_WIDTH = 31  # "permission monthly_visit_trend" and a space


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Verdict(NamedTuple):
    """What a check says: its state, why, and what to do about it."""

    state: State
    words: str
    to_do: str = ""


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    :param check: the check's name
    :param words: what was found, or why the check was skipped
    :param to_do: what to do about it; empty where there is nothing to do
    """

    check: str
    state: State
    words: str
    to_do: str = ""

    def __str__(self) -> str:
        line = f"{_LABELS[self.state]:<8}{self.check:<{_CHECK_WIDTH}}{_on_one_line(self.words)}"
        return f"{line}\n{'':<8}-> {_on_one_line(self.to_do)}" if self.to_do else line

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields, JSON-serialisable."""
        return {**asdict(self), "state": self.state.value}


_LABELS = {State.OK: "ok", State.WARNING: "WARNING", State.FAILED: "FAILED", State.SKIPPED: "skipped"}


def as_json(findings: Sequence[Finding]) -> str:
    """Return the JSON document of an examination: whether all is ``healthy``, and its ``findings``."""
    document = {"healthy": not failures(findings), "findings": [finding.fields for finding in findings]}
    return json.dumps(document, ensure_ascii=False, indent=2)


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 0 where nothing failed, 1 where something did; warnings do not fail."""
    return 1 if failures(findings) else 0


def failures(findings: Iterable[Finding]) -> list[Finding]:
    """Return what failed."""
    return [finding for finding in findings if finding.state is State.FAILED]


def _on_one_line(text: str) -> str:
    # WeChat's words may hold anything, also what would steer a terminal.
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
