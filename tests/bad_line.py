"""A TCP line between client and server that goes wrong as it is told; asyncio, in a thread of its own."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
_TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
_TLS = b"\x16"
_DOWN = (OSError, EOFError, asyncio.LimitOverrunError)


class End(Enum):
    """What follows where a fault lets no more through."""

    CLOSE = "close"
    RESET = "reset"
    HOLD = "hold"  # nothing more comes


@dataclass(frozen=True)
class Fault:
    """What is wrong with a connection; without arguments nothing is.

    :param instead: what comes in place of the answer of the server, which is not even asked
    :param without_end: what follows that, over and over
    :param flip: the bit of the answer that arrives turned round, counted from its begin
    :param reach: so many bytes come through, then the connection ends
    :param then: how it ends, there or where the answer itself is over
    :param drip: seconds after each byte
    :param full_speed: the number of bytes that come before it drips
    """

    instead: bytes | None = None
    without_end: bytes = b""
    flip: int | None = None
    reach: int | None = None
    then: End = End.CLOSE
    drip: float = 0.0
    full_speed: int = 0


GOOD = Fault()


class BadLine:
    """Listens on loopback and passes on to a server; a context manager.

    :param target: host and port of the server
    :param tls: what to show the client, where TLS ends here; the server is always spoken to in plain
    :param proxy: whether it is an HTTP proxy, which is asked to CONNECT first; wherever to, it is the target
    """

    def __init__(
        self, target: tuple[str, int], tls: ssl.SSLContext | None = None, *, proxy: bool = False
    ) -> None:
        self.connections = 0
        """So many have come."""
        self.sent = 0
        """Bytes handed over to clients."""
        self._faults: Iterator[Fault] = iter(())
        self._target = target
        self._tls = tls
        self._proxy = proxy
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def treat(self, *faults: Fault, ever: bool = False) -> None:
        """Let the next connections go wrong, each in its way.

        :param ever: whether all further connections go wrong like the last of them; else they are good
        """
        self._faults = itertools.chain(faults, itertools.repeat(faults[-1]) if ever else ())

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls))
        self.port = self._server.sockets[0].getsockname()[1]
        self.address = ("127.0.0.1", self.port)
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # in which sockets are closed

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        try:
            with suppress(*_DOWN):
                await self._serve(next(self._faults, GOOD), reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _serve(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if fault.instead is not None:
            await _read_request(reader)
            await self._answer(fault, _pieces_of(fault.instead, fault.without_end), writer)
            return
        if self._proxy:
            await _read_request(reader)
            writer.write(_TUNNEL)
        upstream, to_server = await asyncio.open_connection(*self._target)
        asking = asyncio.create_task(_pass_on(reader, to_server))
        try:
            await self._answer(fault, _pieces_from(upstream), writer)
        finally:
            asking.cancel()
            to_server.transport.abort()

    async def _answer(
        self,
        fault: Fault,
        pieces: AsyncIterator[bytes],
        writer: asyncio.StreamWriter,
    ) -> None:
        done = 0
        if fault.reach != 0:
            async for piece in pieces:
                left = None if fault.reach is None else fault.reach - done
                through = _flipped(piece, fault.flip, done)[:left]
                await self._write(fault, through, done, writer)
                done += len(through)
                if done == fault.reach:
                    break
        await _end(fault.then, writer)

    async def _write(self, fault: Fault, piece: bytes, done: int, writer: asyncio.StreamWriter) -> None:
        quick = max(fault.full_speed - done, 0) if fault.drip else len(piece)
        for part in (piece[:quick], *(piece[at : at + 1] for at in range(quick, len(piece)))):
            self.sent += len(part)  # before the client can have it, and look
            writer.write(part)
            await writer.drain()
            if quick < len(piece):
                await asyncio.sleep(fault.drip)


async def _read_request(reader: asyncio.StreamReader) -> None:
    if await reader.readexactly(1) == _TLS:  # there is no telling where that ends
        return
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(*_DOWN):
        async for piece in _pieces_from(reader):
            writer.write(piece)
        writer.write_eof()


async def _pieces_from(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(65536):
        yield piece


async def _pieces_of(first: bytes, others: bytes) -> AsyncIterator[bytes]:
    yield first
    while others:
        yield others


def _flipped(piece: bytes, bit: int | None, done: int) -> bytes:
    if bit is None or not done <= bit // 8 < done + len(piece):
        return piece
    turned = bytearray(piece)
    turned[bit // 8 - done] ^= 1 << bit % 8
    return bytes(turned)


async def _end(end: End, writer: asyncio.StreamWriter) -> None:
    if end is End.HOLD:
        await asyncio.Event().wait()  # until the line is taken away
    if end is End.RESET:
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        writer.transport.abort()
    writer.close()
    await writer.wait_closed()
