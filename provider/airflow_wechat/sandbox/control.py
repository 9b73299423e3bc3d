"""What other processes may ask of the sandbox itself, apart from WeChat's paths.

========================================  ==========================================================
``GET /_sandbox/requests``                the calls that came in, oldest first
``POST /_sandbox/answer_next``            ``{"path": …, "answers": […]}``: an object or list is JSON, a
                                          text a body as it is, a number an HTTP status, null no answer
``POST /_sandbox/clock``                  ``{"now": "2026-11-23T10:00:00+08:00"}``: the clock runs on from
                                          there; null for the real time
``POST /_sandbox/end_tokens``             every app's token ends at once
``POST /_sandbox/change``                 ``{"what": "certificate", "app": APPID}``: something of
                                          :data:`~airflow_wechat.sandbox.changes.CHANGES` changes; the first
                                          app's where none is named
``POST /_sandbox/permission``             ``{"of": "reports", "granted": false}``: a permission of
                                          :data:`~airflow_wechat.sandbox.permissions.PERMISSIONS` is taken
                                          away, or given back
========================================  ==========================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_wechat.sandbox.replies import Reply, json_reply

if TYPE_CHECKING:
    from airflow_wechat.sandbox.calls import Call
    from airflow_wechat.sandbox.journal import Scripted
    from airflow_wechat.sandbox.server import Clock, Sandbox

PREFIX = "/_sandbox/"


def reply(sandbox: Sandbox, call: Call) -> Reply:
    """Do what a call asks and return the reply: JSON, with HTTP status 400 or 404 where it cannot be done."""
    do = _CONTROLS.get((call.method, call.path))
    if do is None:
        allowed = ", ".join(" ".join(control) for control in _CONTROLS)
        return json_reply({"error": f"no {call.method} {call.path}: allowed are {allowed}"}, 404)
    try:
        return json_reply(do(sandbox, json.loads(call.body or b"null")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return json_reply({"error": f"{type(error).__name__}: {error}"}, 400)


def _requests(sandbox: Sandbox, _: Any) -> Any:
    return [asdict(request) for request in sandbox.requests]


def _answer_next(sandbox: Sandbox, asked: Any) -> Any:
    sandbox.answer_next(asked["path"], *map(_scripted, asked["answers"]))
    return {}


def _scripted(answer: Any) -> Scripted:
    if answer is None:
        return ConnectionError
    return answer.encode() if isinstance(answer, str) else answer


def _set_clock(sandbox: Sandbox, asked: Any) -> Any:
    sandbox.clock = clock_from(datetime.fromisoformat(asked["now"]) if asked["now"] else None)
    return {}


def _end_tokens(sandbox: Sandbox, _: Any) -> Any:
    sandbox.end_tokens()
    return {}


def _change(sandbox: Sandbox, asked: Any) -> Any:
    app_id = asked.get("app", sandbox.app.app_id)
    sandbox.change(asked["what"], {app.app_id: app for app in sandbox.apps}[app_id])
    return {}


def _permission(sandbox: Sandbox, asked: Any) -> Any:
    (sandbox.grant if asked["granted"] else sandbox.revoke)(asked["of"])
    return {}


_CONTROLS: dict[tuple[str, str], Callable[[Sandbox, Any], Any]] = {
    ("GET", f"{PREFIX}requests"): _requests,
    ("POST", f"{PREFIX}answer_next"): _answer_next,
    ("POST", f"{PREFIX}clock"): _set_clock,
    ("POST", f"{PREFIX}end_tokens"): _end_tokens,
    ("POST", f"{PREFIX}change"): _change,
    ("POST", f"{PREFIX}permission"): _permission,
}


def clock_from(moment: datetime | None) -> Clock:
    """Return a clock that says ``moment`` now and runs on; for ``None`` the real one.

    :raises ValueError: for a moment without a time zone
    """
    if moment and moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: give one, as +08:00")
    ahead = moment - datetime.now(UTC) if moment else timedelta()
    return lambda: datetime.now(UTC) + ahead
