"""What the sandbox sends back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_wechat.sandbox.calls import Fields

JSON_TYPE = "application/json; encoding=utf-8"
HTML_TYPE = "text/html"


@dataclass(frozen=True)
class Reply:
    """What goes over the wire, and what the journal says of it: the errcode, else the HTTP status.

    A reply that is ``None`` is none at all: the connection is closed without a word.
    """

    body: bytes
    answered: int
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(answer: Any, status: int = 200) -> Reply:
    """Make the reply of a JSON value."""
    answered = answer.get("errcode", 0) if isinstance(answer, dict) else 0
    return Reply(compact(answer).encode(errors="replace"), answered, status)


def raw_reply(body: bytes) -> Reply:
    """Make the reply of a body that may be anything."""
    return Reply(body, 200)


def status_reply(status: int) -> Reply:
    """Make the reply of a server, or of a proxy before it, that is in trouble."""
    return Reply(f"<html><h1>{status}</h1></html>".encode(), status, status, HTML_TYPE)


def compact(value: Any) -> str:
    """Write a JSON value as WeChat does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Said:
    """What is said to a call, before anything goes wrong on the way.

    :param answer: what the HTTPS API would answer
    :param dress: makes the reply of an answer: plain, sealed, or as what a cloud function returned
    :param heard: what a sealed call said; ``None`` where the body itself says it
    """

    answer: Fields
    dress: Callable[[Fields], Reply] = json_reply
    heard: Fields | None = None
