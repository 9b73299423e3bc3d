"""Airflow in a home of its own, a sandbox in WeChat's place, connections by environment variables."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-")
os.environ |= {  # before Airflow is imported anywhere
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[2] / "dags"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME.name}/airflow.db",
    "NO_PROXY": "127.0.0.1",
}

import blame  # noqa: E402
from airflow_features import finds_connections_with_any_extra  # noqa: E402
from airflow_wechat.sandbox import Sandbox  # noqa: E402
from needed_servers import need  # noqa: E402
from runs import connect  # noqa: E402

blame.install()


@pytest.fixture
def sandbox():
    with Sandbox(publish_hour=0) as running:
        yield running


@pytest.fixture
def wechat(sandbox, monkeypatch):
    """The sandbox behind ``wechat_default``."""
    connect(monkeypatch, "wechat_default", sandbox.connection)
    return sandbox


@pytest.fixture
def connect_wechat(sandbox, monkeypatch):
    """Define ``wechat_default`` with some fields changed."""

    def define(**changes):
        connect(monkeypatch, "wechat_default", sandbox.connection | changes)

    return define


@pytest.fixture
def connect_odd_extra(connect_wechat):
    """Define ``wechat_default`` with an Extra that is no JSON object."""
    if not finds_connections_with_any_extra():
        pytest.skip("Airflow 3.0 itself finds no connection whose Extra is no JSON object")
    return lambda extra: connect_wechat(extra=extra)


@pytest.fixture
def sqlite_target(tmp_path, monkeypatch):
    """A SQLite database behind ``wechat_target``; gives its file."""
    file = tmp_path / "target.db"
    connect(monkeypatch, "wechat_target", {"conn_type": "sqlite", "host": str(file)})
    return file


@pytest.fixture
def sqlite_engine(sqlite_target):
    """The SQLite database behind ``wechat_target``."""
    yield from engine_of(f"sqlite:///{sqlite_target}")


@pytest.fixture
def postgres_engine(postgres_server, monkeypatch):
    """A database of a real PostgreSQL behind ``wechat_target``."""
    name = new_target(postgres_server, "postgres", monkeypatch)
    yield from engine_of(postgres_server.uri(name, "psycopg2"))


@pytest.fixture
def mariadb_engine(request, monkeypatch):
    """A database of a real MariaDB behind ``wechat_target``, which Airflow reaches by mysqlclient."""
    need(find_spec("MySQLdb"), "mysqlclient (the extra mysql)")
    server = request.getfixturevalue("mariadb_server")
    yield from engine_of(server.uri(new_target(server, "mysql", monkeypatch), "mysqldb"))


def new_target(server, conn_type, monkeypatch):
    """Create a database and define ``wechat_target``; return its name."""
    name = f"target_{uuid4().hex}"
    server.create_database(name)
    login = {"login": server.user, "password": server.password, "schema": name}
    fields = {"conn_type": conn_type, "host": server.host, "port": server.port}
    connect(monkeypatch, "wechat_target", fields | login)
    return name


def engine_of(uri):
    """Give an engine that keeps no connection, so that other processes are not in each other's way."""
    engine = sa.create_engine(uri, poolclass=sa.pool.NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def target_engine(request):
    """Each database behind ``wechat_target``."""
    return request.getfixturevalue(f"{request.param}_engine")
