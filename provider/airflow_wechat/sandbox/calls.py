"""What a caller sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_wechat.sandbox.refusals import Refusal

Fields = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True)
class Call:
    """What a caller sent, and from which IP address."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)


def posted(call: Call) -> Fields:
    """Return the JSON object that a call posts.

    :raises Refusal: where it does not
    """
    if call.method != "POST":
        raise Refusal(43002)
    if not call.body:
        raise Refusal(44002)
    fields = object_in(call.body)
    if fields is None:
        raise Refusal(47001)
    return fields


def object_in(body: bytes) -> Fields | None:
    """Return the JSON object in a body; ``None`` where there is none."""
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(body)
        return found if isinstance(found, dict) else None
    return None
