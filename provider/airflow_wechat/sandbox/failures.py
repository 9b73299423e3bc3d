"""What goes wrong between WeChat and its caller, on purpose."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from airflow_wechat.sandbox.calls import Fields
from airflow_wechat.sandbox.publishing import REPORT_PATHS
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.replies import HTML_TYPE, Reply, Said, json_reply, raw_reply, status_reply
from airflow_wechat.sandbox.wechat import INVOKE_PATH

_PAGE = b"<html><head><title>Gateway</title></head><body><h1>Please sign in to the network</h1></body></html>"


FAILING_PATHS = REPORT_PATHS | {INVOKE_PATH}

Failure = Callable[[Fields], Fields | Reply | None]
"""From the answer WeChat would give to what comes instead: another answer, or something that is none."""


def _cut(answer: Fields) -> Reply:
    body = json_reply(answer).body
    return raw_reply(body[: len(body) // 2])


def _rows(change: Callable[[list[Fields]], list[Fields]], answer: Fields) -> Fields:
    if "list" not in answer:
        return answer  # a refusal has no rows to change
    return {"list": change(answer["list"])}


def _as_text(row: Fields) -> Fields:
    return {name: str(value) for name, value in row.items()}


def _a_year_before(row: Fields) -> Fields:
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

    def reply(self, path: str, said: Said, now: datetime) -> Reply | None:
        """Return the reply to a call to which WeChat would say so."""
        kind = self._draw() if self._shares and path in FAILING_PATHS else None
        comes = said.answer if kind is None else _instead(kind, said.answer, now)
        return said.dress(comes) if isinstance(comes, dict) else comes

    def _draw(self) -> str | None:
        drawn = self._random.random()
        for kind, share in self._shares.items():
            drawn -= share
            if drawn < 0:
                return kind
        return None


def _instead(kind: str, answer: Fields, now: datetime) -> Fields | Reply | None:
    return FAILURES[kind](answer) if kind in FAILURES else Refusal(int(kind)).answer(now)


def _check(kind: str, share: float) -> None:
    if kind not in FAILURES and not re.fullmatch(r"-?[1-9][0-9]*", kind):
        raise ValueError(f"failure {kind!r} is not allowed: give an errcode, or one of {', '.join(FAILURES)}")
    if not 0 <= share <= 1:
        raise ValueError(f"share {share!r} of failure {kind!r} is not allowed: give a number from 0 to 1")
