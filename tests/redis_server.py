"""A private, real Redis for tests: on loopback, with a password, in memory only."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import redis

_STARTS = 3
_PATIENCE = 30.0


def redis_binary() -> Path | None:
    """Return the Redis server's program on PATH."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


class RedisServer:
    """Redis that runs from ``with`` to its end and forgets everything then.

    :param folder: for its log; made if missing
    :raises RuntimeError: where there is no program, or it fails; the message says what it said
    """

    host = "127.0.0.1"
    port = 0

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self.password = secrets.token_hex(16)
        self._log = self.folder / "redis.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def uri(self) -> str:
        """The address, as Celery and Redis' client take it."""
        return f"redis://:{self.password}@{self.host}:{self.port}/0"

    def start(self) -> None:
        """Start the server on a free port."""
        binary = redis_binary()
        if binary is None:
            raise RuntimeError("no Redis: install Debian's redis-server")
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_STARTS):  # someone else may take the port as soon as we have looked
            self._start(binary)
            if self._answers():
                return
            self.stop()
        raise RuntimeError(f"redis-server failed: {self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Stop the server; harmless where it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _start(self, binary: Path) -> None:
        self.port = _free_port(self.host)
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [binary, "-"], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.folder, text=True
            )
        assert self._process.stdin is not None
        # By stdin: everybody may read a command line, and this has the password.
        self._process.stdin.write(
            f"bind {self.host}\nport {self.port}\nrequirepass {self.password}\nsave ''\nappendonly no\n"
        )
        self._process.stdin.close()

    def _answers(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        with redis.Redis.from_url(self.uri, socket_timeout=5) as client:
            while self._process.poll() is None and time.monotonic() < deadline:
                try:
                    return bool(client.ping())
                except redis.RedisError:
                    time.sleep(0.05)
        return False


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
