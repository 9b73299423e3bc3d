"""What goes wrong between WeChat and its caller, on purpose."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.wechat import REPORT_PATHS, Answer

JSON_TYPE = "application/json; encoding=utf-8"
HTML_TYPE = "text/html"

_PAGE = b"<html><head><title>Gateway</title></head><body><h1>Please sign in to the network</h1></body></html>"


@dataclass(frozen=True)
class Reply:
    """What goes over the wire, and what the journal says of it: the errcode, else the HTTP status.

    A reply that is ``None`` is none at all: the connection is closed without a word.
    """

    body: bytes
    answered: int
    status: int = 200
    content_type: str = JSON_TYPE


def json_reply(answer: Any, status: int = 200) -> Reply:
    """Make the reply of a JSON value."""
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(body, answer.get("errcode", 0) if isinstance(answer, dict) else 0, status)


def raw_reply(body: bytes) -> Reply:
    """Make the reply of a body that may be anything."""
    return Reply(body, 200)


def status_reply(status: int) -> Reply:
    """Make the reply of a server, or of a proxy before it, that is in trouble."""
    return Reply(f"<html><h1>{status}</h1></html>".encode(), status, status, HTML_TYPE)


Failure = Callable[[Answer], Reply | None]
"""From the answer WeChat would give to the reply that comes instead."""


def _cut(answer: Answer) -> Reply:
    body = json_reply(answer).body
    return raw_reply(body[: len(body) // 2])


def _rows(change: Callable[[list[Answer]], list[Answer]], answer: Answer) -> Reply:
    if "list" not in answer:
        return json_reply(answer)  # a refusal has no rows to change
    return json_reply({"list": change(answer["list"])})


def _as_text(row: Answer) -> Answer:
    return {name: str(value) for name, value in row.items()}


def _a_year_before(row: Answer) -> Answer:
    ref_date = re.sub(r"\d{4}(?=\d)", lambda year: str(int(year[0]) - 1), row["ref_date"])
    return {**row, "ref_date": ref_date}


FAILURES: Mapping[str, Failure] = {
    "html": lambda _: Reply(_PAGE, 200, content_type=HTML_TYPE),
    "http503": lambda _: status_reply(503),
    "drop": lambda _: None,
    "cut": _cut,
    "empty": partial(_rows, lambda _: []),
    "text": partial(_rows, lambda rows: [_as_text(row) for row in rows]),
    "twice": partial(_rows, lambda rows: rows * 2),
    "other": partial(_rows, lambda rows: [_a_year_before(row) for row in rows]),
}
"""Every failure by its name; beside them, any errcode is one."""


class Failures:
    """Decides which calls of a report fail, and how.

    :param shares: the part of the calls, from 0 to 1, by the kind of failure: a name of :data:`FAILURES`
        or an errcode
    :param seed: the same seed makes the same calls fail, where calls come one after the other
    :raises ValueError: for an unknown kind, and for shares that are no parts of one whole
    """

    def __init__(self, shares: Mapping[str, float], seed: int = 0) -> None:
        for kind, share in shares.items():
            _check(kind, share)
        if sum(shares.values()) > 1:
            raise ValueError(f"failures {dict(shares)} are not allowed: all shares together are at most 1")
        self._shares = dict(shares)
        self._random = random.Random(seed)

    def reply(self, path: str, answer: Answer, now: datetime) -> Reply | None:
        """Return the reply to a call that WeChat would answer so."""
        kind = self._draw() if self._shares and path in REPORT_PATHS else None
        if kind is None:
            return json_reply(answer)
        if kind in FAILURES:
            return FAILURES[kind](answer)
        return json_reply(Refusal(int(kind)).answer(now))

    def _draw(self) -> str | None:
        drawn = self._random.random()
        for kind, share in self._shares.items():
            drawn -= share
            if drawn < 0:
                return kind
        return None


def _check(kind: str, share: float) -> None:
    if kind not in FAILURES and not re.fullmatch(r"-?[1-9][0-9]*", kind):
        raise ValueError(f"failure {kind!r} is not allowed: give an errcode, or one of {', '.join(FAILURES)}")
    if not 0 <= share <= 1:
        raise ValueError(f"share {share!r} of failure {kind!r} is not allowed: give a number from 0 to 1")
