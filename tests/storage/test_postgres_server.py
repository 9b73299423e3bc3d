"""The PostgreSQL that tests, benchmark and demo run on."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest

from postgres_server import PostgresServer, packaged_binaries, system_binaries


@pytest.fixture(params=[system_binaries, packaged_binaries], ids=["system", "packaged"])
def binaries(request: pytest.FixtureRequest) -> Path:
    folder = request.param()
    if folder is None:
        pytest.skip("not installed")
    return folder


def ask(server: PostgresServer, statement: str, database: str = "postgres", **changes: str) -> object:
    place = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    connection = psycopg2.connect(dbname=database, **{**place, **changes})
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
        answer = cursor.fetchone() if cursor.description else None
    connection.close()
    return answer


def test_serves_where_it_says_and_is_gone_afterwards(binaries, tmp_path):
    with PostgresServer(tmp_path, binaries=binaries) as server:
        connection = psycopg2.connect(server.uri())
        connection.close()

    assert not (tmp_path / "data" / "postmaster.pid").exists()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(server.uri())


def test_wants_its_password(binaries, tmp_path):
    with PostgresServer(tmp_path, binaries=binaries) as server:
        with pytest.raises(psycopg2.OperationalError):
            ask(server, "SELECT 1", password="wrong")

        assert (tmp_path / "password").stat().st_mode & 0o077 == 0


def test_makes_databases_of_any_name(binaries, tmp_path):
    with PostgresServer(tmp_path, binaries=binaries) as server:
        server.create_database('Mixed "case"')

        assert ask(server, "SELECT current_database()", 'Mixed "case"') == ('Mixed "case"',)


def test_says_what_postgresql_said(tmp_path):
    with PostgresServer(tmp_path) as server, pytest.raises(RuntimeError, match='"postgres" already exists'):
        server.create_database("postgres")


def test_data_stay_for_the_next_start(binaries, tmp_path):
    with PostgresServer(tmp_path, binaries=binaries) as server:
        ask(server, "CREATE TABLE kept (number int)")

    with PostgresServer(tmp_path, binaries=binaries) as server:
        assert ask(server, "SELECT count(*) FROM kept") == (0,)


def test_a_server_left_over_in_the_folder_makes_way(tmp_path):
    left_over = PostgresServer(tmp_path)
    left_over.start()

    with PostgresServer(tmp_path) as server:
        assert ask(server, "SELECT 1") == (1,)

    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(left_over.uri())


def test_several_run_side_by_side(tmp_path):
    with PostgresServer(tmp_path / "a") as one, PostgresServer(tmp_path / "b") as other:
        assert one.port != other.port
        assert ask(one, "SELECT 1") == ask(other, "SELECT 1")
