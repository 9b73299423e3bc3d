"""A WeChat that says what a test has written down for it, on loopback, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATIENCE = 10.0
"""Seconds after which a test that waits for something gives up: only a broken one gets there."""


@dataclass(frozen=True)
class Request:
    """What the server was asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What the server answers, to the byte; ``stream`` is sent instead of ``body``, until it ends if ever."""

    body: bytes = b""
    status: int = 200
    reason: str = "OK"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    stream: Iterable[bytes] | None = None


class _Dropped:
    """The connection is cut in place of an answer."""


DROPPED = _Dropped()

Script = Any
"""A :class:`Reply`, :data:`DROPPED`, a JSON object or array, raw bytes, or a function of the request."""


class Gate:
    """Holds every request back that comes to it, until it is opened."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = False
        self.waiting = 0
        self.most_waiting = 0

    def hold(self) -> None:
        with self._changed:
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._open, PATIENCE)
            self.waiting -= 1

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Return as soon as so many requests are held back."""
        with self._changed:
            if self._changed.wait_for(lambda: self.waiting >= count, PATIENCE):
                return
        self.open()  # so that a broken test ends
        raise AssertionError(f"only {self.waiting} requests came, {count} were expected")

    def then(self, script: Script) -> Callable[[Request], Script]:
        """Make a script that holds the request back and then answers as another script does."""

        def held(request: Request) -> Script:
            self.hold()
            return script(request) if callable(script) else script

        return held


class ScriptedServer:
    """Answers each path from its own list; the last entry of a list is repeated for ever."""

    def __init__(self, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._scripts: dict[str, list[Script]] = {}
        self._lock = threading.Lock()
        self._http = _server_class(host)((host, 0), _handler_of(self))
        if context:
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        shown = f"[{host}]" if ":" in host else host
        self.host = f"{shown}:{self._http.server_port}"
        self.url = f"{'https' if context else 'http'}://{self.host}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def on(self, path: str, *scripts: Script) -> None:
        """Write down what to answer on a path; what was written before is forgotten."""
        with self._lock:
            self._scripts[path] = list(scripts)

    def asked(self, path: str) -> list[Request]:
        """Return the requests that came for a path."""
        return [request for request in list(self.requests) if request.path == path]

    def script_for(self, request: Request) -> Script:
        with self._lock:
            self.requests.append(request)
            scripts = self._scripts.get(request.path) or [Reply(status=404, reason="Not Found")]
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(request) if callable(script) else script

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def serving(host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Run a server for the length of a block."""
    server = ScriptedServer(host, context)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def hanging_up() -> Iterator[str]:
    """Run a host that takes a connection, hears what is said first, and hangs up."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing: clients that hang up are what some tests are about."""

    return Server


def _handler_of(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            script = server.script_for(request)
            if script is DROPPED:
                self.close_connection = True
                return
            with suppress(OSError):
                self._answer(_reply_of(script))

        do_GET = do_CONNECT = do_POST  # noqa: N815

        def _answer(self, reply: Reply) -> None:
            headers = list(reply.headers)
            if reply.stream is None:
                headers.append(("Content-Length", str(len(reply.body))))
            else:
                headers.append(("Connection", "close"))
                self.close_connection = True
            head = "".join(f"{name}: {value}\r\n" for name, value in headers)
            status_line = f"HTTP/1.1 {reply.status} {reply.reason}\r\n"
            self.wfile.write(f"{status_line}{head}\r\n".encode("latin-1") + reply.body)
            for chunk in reply.stream or ():
                self.wfile.write(chunk)

        def log_message(self, *args: Any) -> None:
            """Write nothing."""

    return Handler


def _reply_of(script: Script) -> Reply:
    if isinstance(script, Reply):
        return script
    if isinstance(script, bytes):
        return Reply(script)
    return Reply(json.dumps(script, ensure_ascii=False).encode())
