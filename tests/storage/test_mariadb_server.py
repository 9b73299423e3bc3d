"""The MariaDB that tests run on."""

from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path

import pymysql
import pytest

from mariadb_server import MariaDbServer, mariadb_programs
from needed_servers import need
from private_server import free_port


@pytest.fixture(autouse=True)
def _programs():
    need(mariadb_programs(), "Debian's mariadb-server")


def ask(server: MariaDbServer, statement: str, database: str = "mysql", **changes: str) -> object:
    with closing(server.connect(database, **changes)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def test_serves_where_it_says_and_is_gone_afterwards(tmp_path):
    with MariaDbServer(tmp_path) as server:
        assert ask(server, "SELECT @@port, @@hostname IS NOT NULL") == (server.port, 1)

    with pytest.raises(pymysql.OperationalError):
        ask(server, "SELECT 1")


def test_nobody_is_let_in_without_the_password(tmp_path):
    with MariaDbServer(tmp_path) as server:
        accounts = ask(server, "SELECT GROUP_CONCAT(User, '@', Host ORDER BY User) FROM mysql.global_priv")
        for user in ("root", "", "mysql", "mariadb.sys"):
            with pytest.raises(pymysql.OperationalError, match="Access denied"):
                ask(server, "SELECT 1", user=user, password="")

    assert accounts == ("mariadb.sys@localhost,root@127.0.0.1",)
    readable = [file.name for file in tmp_path.iterdir() if file.name != "mysql.log" and _is_open(file)]
    assert readable == []


def _is_open(file: Path) -> bool:
    return bool(file.stat().st_mode & 0o077)


def test_all_it_makes_is_in_its_folder(tmp_path):
    with MariaDbServer(tmp_path) as server:
        places = ask(server, "SELECT @@datadir, @@tmpdir, @@socket, @@pid_file, @@log_bin")

    assert [str(place).startswith(str(tmp_path)) for place in places] == [True, True, False, True, False]
    assert places[2:5:2] == ("", 0)
    assert [file for file in tmp_path.rglob("*") if stat.S_ISSOCK(file.stat().st_mode)] == []


def test_makes_databases_of_any_name(tmp_path):
    with MariaDbServer(tmp_path) as server:
        server.create_database("odd `name`")

        assert ask(server, "SELECT DATABASE()", "odd `name`") == ("odd `name`",)


def test_data_stay_for_the_next_start(tmp_path):
    with MariaDbServer(tmp_path) as server:
        server.create_database("kept")

    with MariaDbServer(tmp_path) as server:
        assert ask(server, "SELECT DATABASE()", "kept") == ("kept",)


def test_runs_in_a_folder_that_only_its_owner_may_enter(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with MariaDbServer(closed / "server") as server:
        assert ask(server, "SELECT 1") == (1,)


def test_several_run_side_by_side(tmp_path):
    with MariaDbServer(tmp_path / "a") as one, MariaDbServer(tmp_path / "b") as other:
        assert one.port != other.port
        assert ask(one, "SELECT 1") == ask(other, "SELECT 1")


def test_a_port_that_someone_else_took_is_passed_over(tmp_path, monkeypatch):
    with MariaDbServer(tmp_path / "a") as one:
        ports = iter([one.port, free_port(one.host)])
        monkeypatch.setattr("private_server.free_port", lambda host: next(ports))

        with MariaDbServer(tmp_path / "b") as other:
            assert ask(other, "SELECT @@port") == (other.port,) != (one.port,)


def test_a_start_that_fails_says_what_mariadb_said_and_leaves_no_process(tmp_path, monkeypatch):
    with MariaDbServer(tmp_path / "a") as one, monkeypatch.context() as patched:
        patched.setattr("private_server.free_port", lambda host: one.port)
        other = MariaDbServer(tmp_path / "b")

        with pytest.raises(RuntimeError, match=r"(?s)mariadbd failed.*Address already in use"):
            other.start()

    assert other._process is None


def test_an_environment_of_the_callers_own_changes_nothing(tmp_path, monkeypatch):
    config = tmp_path / "my.cnf"
    config.write_text("[mysqld]\nport = 1\nno-such-option = 1\n")
    monkeypatch.setenv("MYSQL_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".my.cnf").symlink_to(config)

    with MariaDbServer(tmp_path / "server") as server:
        assert ask(server, "SELECT @@port") == (server.port,)
