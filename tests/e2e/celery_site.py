"""A site of more than one machine: an Airflow under CeleryExecutor with two workers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from celery import Celery
from psycopg2.extras import RealDictCursor
from wechat_names import SQL_CONN_ID, TABLES, WECHAT_CONN_ID

from airflow_wechat.client.periods import Period
from e2e.airflow_api import Run, all_ended
from e2e.holding_sandbox import HoldingSandbox
from e2e.landed import Landing
from e2e.live_airflow import COMPONENTS, Commands, LiveAirflow

Periods = Mapping[str, Sequence[Period]]
"""Periods by their report."""

WORKERS = ("one", "two")
SLOTS = 4
"""How many tasks a worker runs at once."""

PATIENCE = 420

_TARGET = "target"


def _worker(name: str) -> tuple[str, ...]:
    where = ("--celery-hostname", name, "--skip-serve-logs")
    return ("celery", "worker", *where, "--concurrency", str(SLOTS))


_COMPONENTS: Commands = {**COMPONENTS, **{f"worker-{name}": _worker(name) for name in WORKERS}}

_SETTINGS = {
    "CORE__EXECUTOR": "CeleryExecutor",
    "CORE__PARALLELISM": "16",
    # By default it takes five minutes until a task that died with its worker is missed.
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}

# The sample DAGs wait five minutes before a retry.
_RETRY_SOON = """
from datetime import timedelta


def task_policy(task):
    task.retry_delay = timedelta(seconds=5)
"""


@dataclass(frozen=True)
class CelerySite:
    """The site; the sample DAGs load from its sandbox into its PostgreSQL.

    :param broker: the address of Redis
    """

    airflow: LiveAirflow
    sandbox: HoldingSandbox
    broker: str

    def load(self, periods: Periods) -> None:
        """Begin a backfill of each report's DAG, and unpause it."""
        for report, due in periods.items():
            dag_id = TABLES[report]
            self.airflow.wait(lambda dag_id=dag_id: self._no_backfill_of(dag_id), f"{dag_id} is free")
            self.airflow.api.create_backfill(dag_id, due[0].start, due[-1].end, max_active_runs=8)
            self.airflow.api.unpause(dag_id)

    def _no_backfill_of(self, dag_id: str) -> bool:
        found = self.airflow.api.call("GET", "/backfills", params={"dag_id": dag_id})["backfills"]
        return all(backfill["completed_at"] for backfill in found)

    def runs(self) -> list[Run]:
        """Return the runs of the three DAGs."""
        return [run for dag_id in TABLES.values() for run in self.airflow.api.runs(dag_id)]

    def wait_for_runs(self, count: int) -> None:
        """Wait until the three DAGs have so many runs and all have ended."""
        self.airflow.wait(
            lambda: len(runs := self.runs()) >= count and all_ended(runs),
            f"{count} runs end",
            timeout=PATIENCE,
        )

    def begun_by(self, worker: str) -> int:
        """Return how many tasks a worker has begun."""
        return (self.airflow.logs / f"worker-{worker}.log").read_text().count("Executing workload in Celery")

    def running_on(self, worker: str) -> list[tuple[str, str]]:
        """Return the tasks that a worker runs now, each by its DAG and run."""
        node = f"celery@{worker}"
        active = self._ask([node]).active() or {}
        tasks = [json.loads(one["args"][0])["ti"] for one in active[node]]
        return [(task["dag_id"], task["run_id"]) for task in tasks]

    def workers(self) -> set[str]:
        """Return the workers that answer."""
        return {node.partition("@")[2] for node in self._ask().ping() or ()}

    def _ask(self, nodes: list[str] | None = None) -> Any:
        return Celery(broker=self.broker).control.inspect(nodes, timeout=10)

    def starts(self, report: str) -> list[str]:
        """Return the first days of the periods in a report's table, in their order."""
        return [str(row["period_start"]) for row in self._rows(report)]

    def wrong_numbers(self, report: str, expected: Sequence[Period]) -> list[str]:
        """Return where the rows of the expected periods differ from what the sandbox says."""
        rows = {str(row["period_start"]): row for row in self._rows(report)}
        return Landing(report, expected, rows).wrong(self.sandbox.app.app_id)

    def _rows(self, report: str) -> list[dict[str, Any]]:
        uri = self.airflow.postgres.uri(_TARGET)
        options = {"cursor_factory": RealDictCursor}
        with closing(psycopg2.connect(uri, **options)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {TABLES[report]} ORDER BY period_start")
            return [dict(row) for row in cursor.fetchall()]


@contextmanager
def celery_site(home: Path, dags: Path, sandbox: HoldingSandbox, broker: str) -> Iterator[CelerySite]:
    """Run a site, its DAGs paused."""
    (home / "config").mkdir(parents=True)
    (home / "config" / "airflow_local_settings.py").write_text(_RETRY_SOON)
    settings = {**_SETTINGS, "CELERY__BROKER_URL": broker}
    with LiveAirflow(home, [dags], settings, _COMPONENTS) as airflow:
        site = CelerySite(airflow, sandbox, broker)
        airflow.postgres.create_database(_TARGET)
        # Held back for longer than a client waits by itself, no call shall be made again.
        airflow.api.add_connection(
            WECHAT_CONN_ID, sandbox.connection | {"extra": json.dumps({"timeout": "300"})}
        )
        airflow.api.add_connection(SQL_CONN_ID, _target(airflow))
        airflow.wait_for_dags(*TABLES.values())
        airflow.wait(lambda: site.workers() == set(WORKERS), "the workers answer")
        yield site


def _target(airflow: LiveAirflow) -> dict[str, Any]:
    server = airflow.postgres
    where = {"host": server.host, "port": server.port, "login": server.user, "password": server.password}
    return {"conn_type": "postgres", "schema": _TARGET, **where}
