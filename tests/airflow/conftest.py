"""Airflow in a home of its own, a sandbox in WeChat's place, connections by environment variables."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

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
