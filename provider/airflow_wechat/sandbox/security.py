"""API security, as WeChat's console calls it: the encrypted and signed calls of apps that want them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from airflow_wechat.client.base_url import DEFAULT_BASE_URL
from airflow_wechat.sandbox.calls import Call, Fields
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.replies import Reply, json_reply

if TYPE_CHECKING:
    from airflow_wechat.sandbox.sealed import SealedSide


@dataclass(frozen=True)
class Opened:
    """A call as it was meant.

    :param dress: makes the reply of an answer to it
    :param heard: what it says where it was sealed
    """

    call: Call
    dress: Callable[[Fields], Reply] = json_reply
    heard: Fields | None = None


class ApiSecurity:
    """WeChat's side of sealed calls. Threads may share one.

    :param sealed: whether calls must be sealed, may be or must not
    """

    def __init__(self, sealed: bool | Literal["optional"]) -> None:
        self._sealed = sealed
        self._sides: dict[str, SealedSide] = {}
        self._lock = threading.Lock()

    def side(self, app_id: str) -> SealedSide:
        """Return WeChat's side of an app's calls, with the app's keys."""
        from airflow_wechat.sandbox.sealed import SealedSide  # cryptography: only for who needs it

        with self._lock:
            return self._sides.setdefault(app_id, SealedSide(app_id))

    def opened(self, app_id: str, call: Call, now: datetime) -> Opened:
        """Open a call that is sealed, pass on one that is not.

        :raises Refusal: for a call that is not sealed as it must be, or is and must not be
        """
        sealed = any(name.lower().startswith("wechatmp-") for name in call.headers)
        if sealed and not self._sealed:
            raise Refusal(40238)
        if not sealed and self._sealed is not True:
            return Opened(call)
        side, url = self.side(app_id), DEFAULT_BASE_URL + call.path
        heard = side.open(url, call.headers, call.body, now.timestamp())
        return Opened(replace(call, body=json.dumps(heard).encode()), partial(_sealed, side, url, now), heard)


def _sealed(side: SealedSide, url: str, now: datetime, answer: Fields) -> Reply:
    body, headers = side.seal(url, answer, now.timestamp())
    return replace(json_reply(answer), body=body, headers=headers)
