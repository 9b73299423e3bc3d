"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL of the tests' own."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server
