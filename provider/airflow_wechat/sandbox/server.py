"""The stand-in server: HTTP on loopback around WeChat's rules."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from airflow_wechat.client.base_url import is_loopback
from airflow_wechat.sandbox import changes, control, roads
from airflow_wechat.sandbox.calls import Call, Fields, object_in
from airflow_wechat.sandbox.component import Component
from airflow_wechat.sandbox.failures import Failures
from airflow_wechat.sandbox.journal import Journal, Request, Script, Scripted, reply_of
from airflow_wechat.sandbox.listener import Listener
from airflow_wechat.sandbox.replies import Reply
from airflow_wechat.sandbox.rules import Rules
from airflow_wechat.sandbox.token_server import TokenServer
from airflow_wechat.sandbox.tokens import App
from airflow_wechat.sandbox.wechat import WeChat

if TYPE_CHECKING:
    from airflow_wechat.sandbox.sealed import SealedSide

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Sandbox:
    """A WeChat server of your own on this machine; a context manager that starts and stops it.

    :param clock: the present moment, with a time zone; tokens, publishing and answers' dates follow it
    :param host: a loopback address or name
    :param port: 0 means any that is free
    :param latency: seconds before each answer
    :param failures: the part of the report calls that fail, by kind (see
        :data:`~airflow_wechat.sandbox.failures.FAILURES`)
    :param seed: makes the same calls fail again
    :param rules: the fields of :class:`~airflow_wechat.sandbox.rules.Rules`
    :raises ValueError: for a value that is not allowed
    """

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        failures: Mapping[str, float] | None = None,
        seed: int = 0,
        **rules: Any,
    ) -> None:
        for name, value, allowed, holds in (
            ("host", host, "a loopback address, as 127.0.0.1", is_loopback(host)),
            ("port", port, "a port from 0 to 65535", 0 <= port <= 65535),
            ("latency", latency, "seconds from 0 to 600", 0 <= latency <= 600),
        ):
            if not holds:
                raise ValueError(f"{name}={value!r} is not allowed: give {allowed}")
        self.clock = clock
        self.rules = Rules(**rules)
        self.wechat: WeChat = WeChat(self.rules)
        self.token_server = TokenServer(self.wechat, (app.app_id for app in self.apps))
        self._address = (host, port)
        self._latency = latency
        self._failures = Failures(failures or {}, seed)
        self._script = Script()
        self._journal = Journal()
        self._listener: Listener | None = None

    @property
    def clock(self) -> Clock:
        """The present moment as the server sees it; may be replaced."""
        return self._clock

    @clock.setter
    def clock(self, clock: Clock) -> None:
        if clock().tzinfo is None:
            raise ValueError(f"the clock says {clock()!r}: give a moment with a time zone")
        self._clock = clock

    @property
    def apps(self) -> tuple[App, ...]:
        """The Mini Programs the server knows."""
        return self.rules.apps

    @property
    def app(self) -> App:
        """The first of them."""
        return self.rules.apps[0]

    @property
    def url(self) -> str:
        """The address to call, as ``http://127.0.0.1:PORT``."""
        host, port = self._address
        if not port:
            raise RuntimeError("the sandbox has no port yet: use it with `with`, or call start()")
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def connection(self) -> dict[str, str]:
        """The Airflow connection to the first app, as Airflow takes it in JSON."""
        return self.connection_of(self.app)

    def connection_of(self, app: App, road: str = "stable") -> dict[str, str]:
        """Return the Airflow connection to an app, as Airflow takes it in JSON.

        :param road: the way it takes, of :data:`~airflow_wechat.sandbox.roads.ROADS`
        :raises ValueError: for a road that there is not, or that does not lead to the app
        """
        return roads.connection_of(self, app, road)

    @property
    def component(self) -> Component:
        """The third-party platform that the apps have authorised: its AppID and its tokens."""
        return self.wechat.component

    @property
    def cloudbase_access_token(self) -> str:
        """The token that lies in a file in the first app's Cloud Run container."""
        return self.wechat.cloud_run.access_token

    def stable_token(self, app: App) -> str:
        """Return the app's stable token, as another service has it."""
        return self.wechat.stable_token(app.app_id, self._now()).value

    def sealed_side(self, app: App) -> SealedSide:
        """Return WeChat's side of the app's sealed calls; its ``extra`` is for the connection."""
        return self.wechat.security.side(app.app_id)

    @property
    def requests(self) -> list[Request]:
        """The calls that came in, the latest 100,000 in their order; a copy."""
        return self._journal.copy()

    def answer_next(self, path: str, *answers: Scripted) -> None:
        """Answer the next calls of a path so, one after the other, whatever they ask, and as it is: unsealed.

        :raises TypeError: for an answer that is none of :data:`~airflow_wechat.sandbox.journal.Scripted`
        """
        self._script.add(path, *answers)

    def end_tokens(self) -> None:
        """End every app's token at once, as another service with the same AppSecret would."""
        self.wechat.end_tokens()

    def change(self, what: str, app: App | None = None) -> None:
        """Change something of :data:`~airflow_wechat.sandbox.changes.CHANGES` at WeChat.

        :param app: whose; by default the first one's
        :raises ValueError: for something that is not there
        """
        changes.make(what, self, app or self.app)

    def revoke(self, permission: str) -> None:
        """Take a permission of :data:`~airflow_wechat.sandbox.permissions.PERMISSIONS` away.

        :raises ValueError: for one that is not there
        """
        self.wechat.permissions.revoke(permission)

    def grant(self, permission: str) -> None:
        """Give a permission back; see :meth:`revoke`."""
        self.wechat.permissions.grant(permission)

    def start(self) -> Self:
        """Listen, and answer in threads of its own; after :meth:`stop` again on the same port."""
        if self._listener is None:
            self._listener = Listener(self._address, self.reply, self._now)
            self._address = (self._address[0], self._listener.server_address[1])
            threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the port and every connection; harmless where nothing runs."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reply(self, call: Call) -> Reply | None:
        """Return the reply to a call; ``None`` where the connection is to be closed without one."""
        if call.path.startswith(control.PREFIX) and not self.token_server.has(call.path):
            return control.reply(self, call)
        if self._latency:
            time.sleep(self._latency)
        scripted = self._script.next(call.path)
        reply, heard = self._usual(call) if scripted is None else (reply_of(scripted), None)
        body = object_in(call.body) if heard is None else heard
        answered = None if reply is None else reply.answered
        self._journal.add(Request(call.path, dict(call.query), body, answered))
        return reply

    def _now(self) -> datetime:
        return self._clock()

    def _usual(self, call: Call) -> tuple[Reply | None, Fields | None]:
        """Return what a call gets that nobody has scripted, and what it said where it was sealed."""
        now = self._now()
        said = (self.token_server if self.token_server.has(call.path) else self.wechat).say(call, now)
        return self._failures.reply(call.path, said, now), said.heard
