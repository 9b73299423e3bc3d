"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mariadb_server import MariaDbServer, mariadb_programs
from needed_servers import need
from postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL of the tests' own."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDbServer]:
    """A real MariaDB of the tests' own; where it is not installed the test is skipped."""
    need(mariadb_programs(), "Debian's mariadb-server")
    with MariaDbServer(tmp_path_factory.mktemp("mariadb")) as server:
        yield server
