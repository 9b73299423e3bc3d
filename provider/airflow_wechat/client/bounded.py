"""Requests with an end: in time, from connecting to the last byte, and in size.

``requests`` and ``urllib3`` know time-outs for single steps only: connecting to one address, receiving one
part. A server that sends a byte now and then would keep a task for ever. Here each step gets what is left.
"""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse, RemoteDisconnected
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager, Timeout
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_RECEIVED = 8 * 1024 * 1024
"""Bytes of one answer, with all that HTTP puts around its body."""

_LEAST = 0.001  # a time-out of 0 would mean something else to a socket


class TooLongError(OSError):
    """An answer, or what stands around it, has no end."""


def whole(seconds: float) -> Timeout:
    """Return the time-out of a request that shall take so long at most, by a :class:`BoundedAdapter`."""
    return Timeout(total=seconds)


class BoundedAdapter(HTTPAdapter):
    """Sends requests that end within the time they are given, whatever the other side does.

    Not counted is what the machine's own resolver takes for the host's name. With a proxy that is itself
    spoken to in TLS, it may be twice the time.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools for direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools for connections through a proxy."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            _bound(manager)
        return manager


def _bound(manager: PoolManager) -> None:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in pools.items()}


def _bounded(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = type(pool.ConnectionCls.__name__, (_BoundedConnection, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


class _Received(io.RawIOBase):
    """What comes from a socket, for as long as its time-out says in all."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._ends = time.monotonic() + (sock.gettimeout() or 0)
        self._count = 0
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(self._left())
        count: int | None = self._raw.readinto(buffer)
        self._sock.settimeout(self._left())  # through a proxy there is more to come than this
        self.ended = count == 0
        self._count += count or 0
        if self._count > MOST_RECEIVED:
            raise TooLongError(f"more than {MOST_RECEIVED} bytes")
        return count

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer is not complete in time")
        return left

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._received = _Received(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._received)

    def begin(self) -> None:
        super().begin()
        if self._received.ended:  # http.client takes the end of the line for the end of the headers
            raise RemoteDisconnected("Remote end closed connection amid headers")


class _BoundedConnection(HTTPConnection):
    """Reaches one address of its host after the other, in the time it has for all."""

    response_class = _BoundedResponse
    debuglevel = 0  # whoever sets http.client's has it print all that is sent, tokens too

    def set_debuglevel(self, level: int) -> None:
        """Leave it as it is."""

    def _new_conn(self) -> socket.socket:
        assert isinstance(self.timeout, int | float)
        ends = time.monotonic() + self.timeout
        name, addresses = self._dns_host, self._addresses()
        try:
            for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
                self._dns_host = address
                self.timeout = max((ends - time.monotonic()) / left, _LEAST)
                try:
                    sock = super()._new_conn()
                except (ConnectTimeoutError, NewConnectionError):
                    if left == 1:
                        raise
                    continue
                sock.settimeout(max(ends - time.monotonic(), _LEAST))
                break
        finally:
            self._dns_host = name
        return sock

    def _addresses(self) -> list[str]:
        if hasattr(self, "_socks_options"):  # then the proxy looks the name up
            return [self._dns_host]
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NewConnectionError(self, f"Failed to resolve {self.host!r} ({error})") from error
        except UnicodeError:
            return [self._dns_host]  # urllib3 has the words for it
        return list(dict.fromkeys(str(place[0]) for *_, place in found))
