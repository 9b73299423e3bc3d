"""As much of Airflow's REST API as the end-to-end tests and the demo use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import requests

Json = Any
Run = dict[str, Any]

_TIMEOUT = 60
_PAGE = 100

ENDED = ("success", "failed")


class AirflowApiError(RuntimeError):
    """Airflow refused a call; the message has its words."""


class AirflowApi:
    """Talks to an API server with a token of its own.

    :param url: the server's address, as ``http://127.0.0.1:8080``
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._login = {"username": user, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False  # loopback needs no proxy and no .netrc

    def log_in(self) -> None:
        """Get a token for the calls that follow."""
        token = self._send("POST", "/auth/token", json=self._login)["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **options: Any) -> Json:
        """Call a path below ``/api/v2`` and return the JSON it answers.

        :raises AirflowApiError: where Airflow refuses
        """
        return self._send(method, f"/api/v2{path}", **options)

    def get_ui(self, path: str) -> Json:
        """Return what the UI's pages get from a path below ``/ui``."""
        return self._send("GET", f"/ui{path}")

    def _send(self, method: str, path: str, **options: Any) -> Json:
        answer = self._session.request(method, f"{self.url}{path}", timeout=_TIMEOUT, **options)
        if not answer.ok:
            raise AirflowApiError(f"{method} {path}: HTTP {answer.status_code}: {answer.text[:2000]}")
        return answer.json() if answer.content else None

    def health(self) -> dict[str, str | None]:
        """Return the status of each component that Airflow watches."""
        return {name: one.get("status") for name, one in self.call("GET", "/monitor/health").items()}

    def add_connection(self, conn_id: str, connection: Mapping[str, Any]) -> None:
        """Add a connection."""
        self.call("POST", "/connections", json={"connection_id": conn_id, **connection})

    def test_connection(self, connection: Mapping[str, Any]) -> Json:
        """Do what the form's Test button does."""
        return self.call("POST", "/connections/test", json={"connection_id": "tested", **connection})

    def dag_ids(self) -> set[str]:
        """Return the DAGs that Airflow has read."""
        return {dag["dag_id"] for dag in self._all("/dags", "dags")}

    def import_errors(self) -> dict[str, str]:
        """Return what is wrong with which DAG file."""
        errors = self._all("/importErrors", "import_errors")
        return {error["filename"]: error["stack_trace"] for error in errors}

    def pause(self, dag_id: str, *, paused: bool = True) -> None:
        """Let no new runs begin; with ``paused=False``, let them."""
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def unpause(self, dag_id: str) -> None:
        """Let runs begin."""
        self.pause(dag_id, paused=False)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, **options: Any) -> str:
        """Trigger a run by hand, without a date unless ``options`` give one, and return its id."""
        body = {"logical_date": None, "conf": conf or {}, **options}
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def create_backfill(
        self, dag_id: str, first: date | datetime, last: date | datetime, **options: Any
    ) -> int:
        """Create a backfill, as from plain dates: without a time zone. Return its id."""
        body = {"dag_id": dag_id, "from_date": _iso(first), "to_date": _iso(last), **options}
        return int(self.call("POST", "/backfills", json=body)["id"])

    def backfills(self, dag_id: str) -> list[dict[str, Any]]:
        """Return a DAG's backfills."""
        return list(self.call("GET", "/backfills", params={"dag_id": dag_id})["backfills"])

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear a task of a run, as the UI does."""
        body = {"dag_run_id": run_id, "task_ids": [task_id], "only_failed": False, "dry_run": False}
        self.call("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def runs(self, dag_id: str) -> list[Run]:
        """Return a DAG's runs."""
        return self._all(f"/dags/{dag_id}/dagRuns", "dag_runs")

    def run(self, dag_id: str, run_id: str) -> Run:
        """Return one run."""
        return dict(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return a run's task."""
        return dict(self.call("GET", f"{_tasks(dag_id, run_id)}/{task_id}"))

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all tasks of a run."""
        return self._all(_tasks(dag_id, run_id), "task_instances")

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Json:
        """Return what a task handed on."""
        path = f"{_tasks(dag_id, run_id)}/{task_id}/xcomEntries/{key}"
        return self.call("GET", path, params={"deserialize": False, "stringify": False})["value"]

    def asset_events(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the asset events that a DAG's tasks gave rise to."""
        return [
            event for event in self._all("/assets/events", "asset_events") if event["source_dag_id"] == dag_id
        ]

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1, map_index: int = -1) -> str:
        """Return the log of one attempt at a task."""
        path = f"{_tasks(dag_id, run_id)}/{task_id}/logs/{attempt}"
        content = self.call("GET", path, params={"map_index": map_index})["content"]
        return "\n".join(str(line) for line in content)

    def _all(self, path: str, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", path, params={"limit": _PAGE, "offset": len(found)})
            found += page[name]
            if len(found) >= page["total_entries"] or not page[name]:
                return found


def _tasks(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"


def _iso(moment: date | datetime) -> str:
    return moment.isoformat() if isinstance(moment, datetime) else f"{moment}T00:00:00"


def all_ended(runs: Sequence[Run]) -> bool:
    """Tell whether no run is under way or waiting."""
    return all(run["state"] in ENDED for run in runs)
