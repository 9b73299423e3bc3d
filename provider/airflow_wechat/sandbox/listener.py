"""HTTP on loopback, kept lean: one thread a connection, one write an answer."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from airflow_wechat.sandbox.calls import Call
from airflow_wechat.sandbox.replies import Reply, status_reply

_MAX_BODY = 1024 * 1024

Answerer = Callable[[Call], Reply | None]


class Listener(socketserver.ThreadingTCPServer):
    """Accepts connections and has every call answered.

    :param address: host and port; port 0 means any that is free
    :param clock: what answers are dated by, so that callers can see how far their own clocks are off
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answerer: Answerer, clock: Callable[[], datetime]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.answerer = answerer
        self.clock = clock
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember a connection, so that it can be closed with the server."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over callers that went away; print everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Close the port and every connection."""
        self.shutdown()
        self.server_close()
        for connection in [*self._open]:
            with contextlib.suppress(OSError):  # its own thread may have closed it by now
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """Reads the calls of one connection and writes their answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def answer(self) -> None:
        """Answer one call."""
        body = self._read_body()
        if body is None:
            return
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        headers = dict(self.headers.items())
        call = Call(self.command, url.path, query, body, self.client_address[0], headers)
        reply = self.server.answerer(call)
        if reply is None:
            self.close_connection = True
        else:
            self._write(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server looks for these

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > _MAX_BODY:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            return self.rfile.read(int(length))
        return None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - http.server's names
        """Answer what is no proper HTTP, and close: the next call's begin cannot be found."""
        self.close_connection = True
        self._write(status_reply(code))

    def _write(self, reply: Reply) -> None:
        headers = {
            "Date": format_datetime(self.server.clock().astimezone(UTC), usegmt=True),
            "Content-Type": reply.content_type,
            "Content-Length": len(reply.body),
            "Connection": "close" if self.close_connection else "keep-alive",
            **reply.headers,
        }
        lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        # One write: headers and body in two would meet the 40 ms of Nagle's algorithm and delayed ACKs.
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + reply.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the journal has it."""


_PHRASES = {status.value: status.phrase for status in HTTPStatus}
