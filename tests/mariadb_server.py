"""A private, real MariaDB for tests: on loopback, with a password, no socket outside its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pymysql

from private_server import PrivateServer, bare_environment

_PATIENCE = 60.0  # seconds

# Nobody misses the data of a test whose machine lost its power.
_FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--performance-schema=OFF",
    "--skip-log-bin",
)


def mariadb_programs() -> tuple[Path, Path] | None:
    """Return MariaDB's server, which PATH may not lead to, and what makes its data folder."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    server, installer = (shutil.which(name, path=path) for name in ("mariadbd", "mariadb-install-db"))
    return (Path(server), Path(installer)) if server and installer else None


class MariaDbServer(PrivateServer):
    """MariaDB that runs from ``with`` to its end; its data stays in the folder and serves the next start."""

    user = "root"
    scheme = "mysql"
    maintenance_database = "mysql"

    _process: subprocess.Popen[bytes] | None = None

    def connect(self, database: str = "mysql", **changes: Any) -> pymysql.connections.Connection[Any]:
        """Return a connection of PyMySQL's."""
        place = {"host": self.host, "port": self.port, "user": self.user, "password": self.password}
        # Without TLS it need not read all the machine's certificates at each connect.
        options = {"autocommit": True, "ssl_disabled": True}
        return pymysql.connect(database=database, **(place | options | changes))

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        quoted = name.replace("`", "``")
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{quoted}`")

    def stop(self) -> None:
        """Stop the server; sessions that are still open are cut. Harmless where it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def _find_programs(self) -> None:
        programs = mariadb_programs()
        if programs is None:
            raise RuntimeError("no MariaDB: install Debian's mariadb-server")
        self._server, self._installer = programs

    def _is_initialized(self) -> bool:
        return (self._data / "mysql").exists()

    def _initialize(self) -> None:
        accounts = self.folder / "accounts.sql"
        accounts.touch(mode=0o600)
        accounts.write_text(_ACCOUNTS.format(host=self.host, password=self._password_file.read_text()))
        own = [f"--extra-file={accounts}", "--auth-root-authentication-method=normal", "--skip-test-db"]
        self._run(self._installer, "--no-defaults", *own, *self._settings())
        accounts.unlink()

    def _settings(self) -> list[str]:
        who = [] if os.geteuid() else ["--user=root"]  # as root it wants to be told whom to run as
        # In the machine's folder for temporary files two servers that begin at once take each other's.
        return [f"--datadir={self._data}", f"--tmpdir={self.folder}", *who, *_FAST]

    def _launch(self) -> None:
        listening = [f"--bind-address={self.host}", f"--port={self.port}", "--socket=", "--skip-name-resolve"]
        own = ["--max-connections=200"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._server, "--no-defaults", *self._settings(), *listening, *own],
                cwd="/",
                env=bare_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is for whoever started it
            )
        if not self._answers():
            self.stop()
            raise RuntimeError(f"mariadbd failed: {self._said()}")

    def _answers(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(pymysql.err.OperationalError):
                self.connect().close()
                return True
            time.sleep(0.05)
        return False


# It is made with accounts that want no password, also one for the machine's name.
_ACCOUNTS = """
DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> '{host}';
UPDATE mysql.global_priv
  SET Priv = JSON_SET(
    Priv, '$.plugin', 'mysql_native_password', '$.authentication_string', PASSWORD('{password}')
  )
  WHERE User = 'root';
"""
