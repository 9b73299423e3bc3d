"""A real Airflow of its own: every component a process, on loopback, in a folder of its own."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psycopg2
import requests
from cryptography.fernet import Fernet

from e2e.airflow_api import AirflowApi, AirflowApiError, Run, all_ended
from e2e.processes import (
    Component,
    ComponentDiedError,
    free_ports,
    kill_left_over,
    signals_held,
    signals_ignored,
    stop_all,
    tail,
    wait_until,
)
from postgres_server import PostgresServer

Commands = Mapping[str, tuple[str, ...]]

COMPONENTS: Commands = {
    "api-server": ("api-server", "--host", "127.0.0.1", "--port", "{api}", "--workers", "1"),
    "scheduler": ("scheduler",),
    "triggerer": ("triggerer",),
    "dag-processor": ("dag-processor",),
}

_SETTINGS = {
    "CORE__EXECUTOR": "LocalExecutor",
    "CORE__PARALLELISM": "8",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__TEST_CONNECTION": "Enabled",
    "CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:{api}/execution/",
    "CORE__FERNET_KEY": "{fernet_key}",
    "CORE__SIMPLE_AUTH_MANAGER_USERS": "{user}:admin",
    "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": "{home}/passwords.json",
    "API__BASE_URL": "http://127.0.0.1:{api}",
    "API__SECRET_KEY": "{api_key}",
    "API_AUTH__JWT_SECRET": "{jwt_key}",
    "DATABASE__SQL_ALCHEMY_CONN": "{database}",
    "DATABASE__SQL_ALCHEMY_CONN_ASYNC": "{async_database}",
    "LOGGING__WORKER_LOG_SERVER_PORT": "{worker_log}",
    "LOGGING__TRIGGER_LOG_SERVER_PORT": "{trigger_log}",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
}
"""Airflow's options, without their ``AIRFLOW__``."""

# What belongs to whoever calls, not to this Airflow.
_FOREIGN = ("AIRFLOW", "WECHAT_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTEST_")

_METADATA = "airflow"
_HEALTHY = {"metadatabase", "scheduler", "triggerer", "dag_processor"}


class LiveAirflow:
    """Airflow that runs from ``with`` to its end, whatever the end: also Ctrl-C, SIGTERM (see
    :func:`e2e.processes.end_on_sigterm`) and a component that fails.

    :param home: its folder; a new one, for configuration, database and logs
    :param dag_folders: where its DAGs are
    :param settings: more options, named as in :data:`_SETTINGS`
    :param components: its processes by their names, each an ``airflow`` command
    :param prefix: the path below which it is served, as the settings say too
    """

    user = "admin"

    def __init__(
        self,
        home: Path,
        dag_folders: Sequence[Path],
        settings: Mapping[str, str] | None = None,
        components: Commands = COMPONENTS,
        prefix: str = "",
    ) -> None:
        self.home = home.absolute()
        self.logs = self.home / "components"
        self.password = secrets.token_urlsafe(12)
        self.postgres = PostgresServer(self.home / "postgres")
        self._dag_folders = dag_folders
        self._settings = {**_SETTINGS, **(settings or {})}
        self._ports = dict(zip(("api", "worker_log", "trigger_log"), free_ports(3), strict=True))
        self._commands = components
        self._prefix = prefix
        self._running: dict[str, Component] = {}
        self._stack = ExitStack()
        self.env: dict[str, str] = {}
        self.api = AirflowApi(self.url, self.user, self.password)

    @property
    def url(self) -> str:
        """The address of its UI and API."""
        return f"http://127.0.0.1:{self._ports['api']}{self._prefix}"

    @property
    def running(self) -> frozenset[str]:
        """The names of the components that were started and not killed."""
        return frozenset(self._running)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_stopping(self))
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.logs.mkdir(parents=True)
        with signals_held():
            self.postgres.start()
        self.postgres.create_database(_METADATA)
        self.env = self._environment()
        self._write_password()
        self.airflow("db", "migrate")
        for name in self._commands:
            self.run(name)
        self.wait(self._is_healthy, f"Airflow in {self.home} is up")

    def _environment(self) -> dict[str, str]:
        facts = {
            **self._ports,
            "home": self.home,
            "user": self.user,
            "database": self.postgres.uri(_METADATA, "psycopg2"),
            "async_database": self.postgres.uri(_METADATA, "asyncpg"),
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "api_key": secrets.token_urlsafe(32),
            "jwt_key": secrets.token_urlsafe(64),
        }
        own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return {
            **own,
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": "127.0.0.1,localhost",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": self._bundles(),
            **{f"AIRFLOW__{name}": value.format(**facts) for name, value in self._settings.items()},
        }

    def _bundles(self) -> str:
        return json.dumps(
            [
                {
                    "name": f"dags-{number}",
                    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                    "kwargs": {"path": str(folder.absolute())},
                }
                for number, folder in enumerate(self._dag_folders)
            ]
        )

    def _write_password(self) -> None:
        file = self.home / "passwords.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({self.user: self.password}))

    def run(self, name: str, *command: str) -> None:
        """Start a component, for the first time or after :meth:`kill`.

        :param command: the ``airflow`` command of one that is not among ``components``
        """
        words = command or self._commands[name]
        command = (*_AIRFLOW, *(word.format(**self._ports) for word in words))
        self._running[name] = Component(name, command, self.env, self.logs / f"{name}.log")

    def pid(self, name: str) -> int:
        """Return the process id of a component."""
        return self._running[name].process.pid

    def kill(self, name: str) -> None:
        """End a component as ``kill -9`` does, with all that it started."""
        component = self._running.pop(name)
        component.signal(signal.SIGKILL)
        component.process.wait()
        kill_left_over([component])

    def _is_healthy(self) -> bool:
        with suppress(requests.ConnectionError, AirflowApiError):
            self.api.log_in()
            health = self.api.health()
            return all(health.get(name) == "healthy" for name in _HEALTHY)
        return False

    def airflow(self, *arguments: str) -> str:
        """Run an ``airflow`` command, and return what it printed.

        :raises ComponentDiedError: where it fails
        """
        log = self.logs / "commands.log"
        done = subprocess.run(
            [*_AIRFLOW, *arguments], env=self.env, cwd=self.home, capture_output=True, text=True, check=False
        )
        with log.open("a") as file:
            file.write(f"$ airflow {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if done.returncode:
            raise ComponentDiedError(f"airflow {arguments[0]} failed:\n{tail(log)}")
        return done.stdout

    def trigger_states(self) -> list[str]:
        """Return what the triggers at work keep in the metadata database; Airflow encrypts some."""
        fernet = Fernet(self.env["AIRFLOW__CORE__FERNET_KEY"])
        with closing(psycopg2.connect(self.postgres.uri(_METADATA))) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT kwargs FROM trigger")
            kept = [state for (state,) in cursor.fetchall()]
        return [state if state.startswith("{") else fernet.decrypt(state).decode() for state in kept]

    def wait(self, happened: Callable[[], Any], what: str, timeout: float = 120) -> Any:
        """Wait until something is true, watching the components; see :func:`e2e.processes.wait_until`."""
        return wait_until(happened, what, timeout=timeout, watched=list(self._running.values()))

    def wait_for_dags(self, *dag_ids: str) -> None:
        """Wait until these DAGs have been read."""
        self.wait(lambda: self.api.dag_ids() >= set(dag_ids) or self._refuse_import_errors(), "DAGs are read")

    def _refuse_import_errors(self) -> None:
        if errors := self.api.import_errors():
            raise RuntimeError(f"DAG files that Airflow cannot read: {errors}")

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 120) -> Run:
        """Wait until a run has ended, and return it."""
        return dict(
            self.wait(
                lambda: (run := self.api.run(dag_id, run_id)) and all_ended([run]) and run,
                f"run {run_id} of {dag_id} ends",
                timeout,
            )
        )

    def wait_for_runs(self, dag_id: str, count: int, timeout: float = 120) -> list[Run]:
        """Wait until a DAG has at least so many runs and all of them have ended; return them."""
        return list(
            self.wait(
                lambda: len(runs := self.api.runs(dag_id)) >= count and all_ended(runs) and runs,
                f"{count} runs of {dag_id} end",
                timeout,
            )
        )

    def stop(self) -> None:
        """Stop everything that was started."""
        with signals_ignored():
            stop_all(list(self._running.values()))
            with suppress(RuntimeError):  # it had not been started
                self.postgres.stop()


_AIRFLOW = (sys.executable, "-m", "airflow")


@contextmanager
def _stopping(airflow: LiveAirflow) -> Iterator[None]:
    try:
        yield
    finally:
        airflow.stop()
