"""A real Airflow of any version: no more than what runs DAGs, with a PostgreSQL of its own."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self

import psycopg2

from airflow_features import tasks_ask_an_api
from e2e.processes import Component, free_ports, stop_all, tail, wait_until
from postgres_server import PostgresServer

_COMPONENTS: tuple[tuple[str, ...], ...] = (("scheduler",), ("triggerer",))
_WITH_AN_API: tuple[tuple[str, ...], ...] = (
    ("api-server", "--host", "127.0.0.1", "--port", "{api}", "--workers", "1"),
    ("dag-processor",),
    *_COMPONENTS,
)

# Each version takes those it knows.
_SETTINGS = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__PARALLELISM": "4",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__DAGS_FOLDER": "{dags}",
    "CORE__FERNET_KEY": "{fernet_key}",
    "CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:{api}/execution/",
    "API__SECRET_KEY": "{secret}",
    "API_AUTH__JWT_SECRET": "{secret}",
    "WEBSERVER__SECRET_KEY": "{secret}",
    "DATABASE__SQL_ALCHEMY_CONN": "{database}",
    "DATABASE__SQL_ALCHEMY_CONN_ASYNC": "{async_database}",
    "LOGGING__WORKER_LOG_SERVER_PORT": "{worker_log}",
    "LOGGING__TRIGGER_LOG_SERVER_PORT": "{trigger_log}",
    "TRIGGERER__DEFAULT_CAPACITY": "10",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
}
# The workers that 2.11's `dags backfill` forks close what is in its pool, also a connection that it takes out
# of it at that moment.
_WITHOUT_POOL = {"AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_ENABLED": "False"}
_FOREIGN = ("AIRFLOW", "WECHAT_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTEST_")
_METADATA, _TARGET = "airflow", "target"


class SmallAirflow:
    """Airflow that runs from ``with`` to its end.

    :param home: its folder, a new one
    :param dags: where its DAGs are
    :param connections: what it knows beside ``wechat_target``, by their ids
    """

    def __init__(self, home: Path, dags: Path, connections: Mapping[str, Mapping[str, Any]]) -> None:
        self._home = home
        self._dags = dags
        self._connections = connections
        self._postgres = PostgresServer(home / "postgres")
        self._running: list[Component] = []
        self._stack = ExitStack()
        self._env: dict[str, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._postgres)
            stack.callback(lambda: stop_all(self._running))
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        for name in (_METADATA, _TARGET):
            self._postgres.create_database(name)
        ports = dict(zip(("api", "worker_log", "trigger_log"), free_ports(3), strict=True))
        self._env = self._environment(ports)
        self.airflow("db", "migrate")
        for name, *options in _WITH_AN_API if tasks_ask_an_api() else _COMPONENTS:
            command = [sys.executable, "-m", "airflow", name, *(option.format(**ports) for option in options)]
            self._running.append(Component(name, command, self._env, self._home / f"{name}.log"))

    def _environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        facts = {
            **ports,
            "dags": self._dags,
            "database": self._postgres.uri(_METADATA, "psycopg2"),
            "async_database": self._postgres.uri(_METADATA, "asyncpg"),
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "secret": secrets.token_urlsafe(64),
        }
        target = {
            "conn_type": "postgres",
            "host": self._postgres.host,
            "port": self._postgres.port,
            "login": self._postgres.user,
            "password": self._postgres.password,
            "schema": _TARGET,
        }
        connections = {**self._connections, "wechat_target": target}
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)},
            "AIRFLOW_HOME": str(self._home),
            "NO_PROXY": "127.0.0.1,localhost",
            **{f"AIRFLOW__{name}": value.format(**facts) for name, value in _SETTINGS.items()},
            **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in connections.items()},
        }

    def airflow(self, *arguments: str) -> None:
        """Run an ``airflow`` command to its end."""
        log = self._home / "commands.log"
        with log.open("a") as output:
            done = subprocess.run(
                [sys.executable, "-m", "airflow", *arguments],
                env=self._env | _WITHOUT_POOL,
                cwd=self._home,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        assert done.returncode == 0, tail(log)

    def states(self, dag_id: str) -> list[tuple[str, str]]:
        """Return the states of a DAG's runs and of their tasks."""
        return self._select(
            _METADATA,
            "SELECT run.state, task.state FROM dag_run run JOIN task_instance task USING (dag_id, run_id) "
            "WHERE dag_id = %s ORDER BY run.id",
            dag_id,
        )

    def has_read(self, dag_id: str) -> bool:
        """Tell whether a DAG is there to run."""
        return bool(self._select(_METADATA, "SELECT 1 FROM serialized_dag WHERE dag_id = %s", dag_id))

    def landed(self, table: str) -> list[str]:
        """Return the first days of the periods in a table, in their order; none where it is not there."""
        if self._select(_TARGET, "SELECT to_regclass(%s)", table) == [(None,)]:
            return []
        query = f"SELECT period_start::text FROM {table} ORDER BY 1"
        return [start for (start,) in self._select(_TARGET, query)]

    def _select(self, database: str, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._postgres.uri(database))) as opened, opened.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    def wait(self, happened: Callable[[], Any], what: str) -> None:
        """Wait until something is true, watching the components."""
        wait_until(happened, what, timeout=300, watched=self._running)
