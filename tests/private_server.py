"""What the private database servers of tests, benchmark and demo have in common."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

_STARTS = 3


class PrivateServer:
    """A database server that runs from ``with`` to its end; its data stays in the folder for the next start.

    It listens on loopback alone, on a free port, and wants a password.

    :param folder: for data, log and password; made if missing
    """

    host = "127.0.0.1"
    port = 0
    password = ""
    user = ""
    scheme = ""
    """How its addresses begin; also the name of its log."""
    maintenance_database = ""
    """A database that is always there."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self._data = self.folder / "data"
        self._log = self.folder / f"{self.scheme}.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def uri(self, database: str = "", driver: str = "") -> str:
        """Return the address of a database; without a driver as the server's clients and Airflow take it."""
        scheme = f"{self.scheme}+{driver}" if driver else self.scheme
        database = database or self.maintenance_database
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def start(self) -> None:
        """Make the data folder if need be, and start the server on a free port.

        :raises RuntimeError: where there are no programs, or they fail; the message says what they said
        """
        self._find_programs()
        if not self._is_initialized():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_password()
            self._initialize()
        self.password = self._password_file.read_text()
        self._clear_left_over()
        self._start()

    def stop(self) -> None:
        """Stop the server; sessions that are still open are cut."""
        raise NotImplementedError

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        raise NotImplementedError

    def _find_programs(self) -> None:
        raise NotImplementedError

    def _is_initialized(self) -> bool:
        raise NotImplementedError

    def _initialize(self) -> None:
        raise NotImplementedError

    def _clear_left_over(self) -> None:
        """Stop a server that an earlier owner of the folder left running."""

    def _launch(self) -> None:
        """Start the server on the port, and wait until it answers."""
        raise NotImplementedError

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def _write_password(self) -> None:
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(16))

    def _start(self) -> None:
        for attempt in range(1, _STARTS + 1):
            self.port = free_port(self.host)
            try:
                self._launch()
            except RuntimeError:
                # Someone else may have taken the port since we looked.
                if attempt == _STARTS:
                    raise
            else:
                return

    def _run(self, *command: str | Path, env: Mapping[str, str] | None = None) -> None:
        done = subprocess.run(
            [*self._as_user(), *command],
            check=False,
            cwd="/",
            env=bare_environment() | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr}\n{self._said()}")

    def _as_user(self) -> list[str]:
        """Return what goes before every command so that it runs as whom it shall."""
        return []

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""


def bare_environment() -> dict[str, str]:
    """Return an environment that carries nobody's settings."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def free_port(host: str) -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
