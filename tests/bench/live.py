"""What is measured in a real Airflow: a backfill against empty tasks, and a triggerer with many waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread

import psutil
import psycopg2
from figure import Figure

from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.control import clock_from
from e2e.airflow_api import Run
from e2e.live_airflow import LiveAirflow

DAGS = Path(__file__).parent / "dags"
ROUNDS = 4
WAITS = 200
FIRST, LAST, DAYS = date(2025, 4, 1), date(2025, 4, 30), 30
WINDOW = 30  # seconds, in which each of our waits asks once

# The day before has not been published yet.
EARLY = datetime.fromisoformat("2026-01-06T05:00:00+08:00")


@contextmanager
def live_airflow(sandbox: Sandbox) -> Iterator[LiveAirflow]:
    """Run an Airflow that loads from a sandbox into its own PostgreSQL."""
    with (
        TemporaryDirectory(prefix="airflow-bench-") as folder,
        LiveAirflow(Path(folder) / "home", [DAGS]) as airflow,
    ):
        server = airflow.postgres
        server.create_database("target")
        # Here, because tasks that begin together fail where each creates it if it is missing.
        with (
            closing(psycopg2.connect(server.uri("target"))) as database,
            database,
            database.cursor() as cursor,
        ):
            cursor.execute("CREATE TABLE by_hand (day TEXT PRIMARY KEY, visits BIGINT)")
        where = {"host": server.host, "port": server.port, "schema": "target"}
        login = {"login": server.user, "password": server.password}
        airflow.api.add_connection("wechat_default", sandbox.connection)
        airflow.api.add_connection("wechat_target", {"conn_type": "postgres", **where, **login})
        airflow.wait_for_dags("bench_ours_0", "bench_waiting_ours")
        yield airflow


def scheduled_backfill() -> list[Figure]:
    """A backfill of 30 days against tasks written by hand, and against empty ones."""
    times: dict[str, list[float]] = {"ours": [], "by_hand": [], "empty": []}
    with Sandbox(publish_hour=0) as sandbox, live_airflow(sandbox) as airflow:
        for number in range(ROUNDS):
            for name, taken in times.items():
                taken.append(_seconds_of(_backfill(airflow, f"bench_{name}_{number}")))
    ours, by_hand, empty = (median(taken[1:]) for taken in times.values())  # the first round warms up
    where = "LocalExecutor, PostgreSQL"
    return [
        Figure(
            "a scheduler-run backfill of 30 days, against the same with requests and PostgresHook by hand",
            ours / by_hand,
            1.2,
            f"{ours:.1f} s against {by_hand:.1f} s, {where}",
        ),
        Figure(
            "the same backfill, against an empty Python task",
            ours / empty,
            1.3,
            f"{ours:.1f} s against {empty:.1f} s; by hand {by_hand / empty:.2f}",
        ),
    ]


def _backfill(airflow: LiveAirflow, dag_id: str) -> list[Run]:
    airflow.api.unpause(dag_id)
    airflow.api.create_backfill(dag_id, FIRST, LAST, max_active_runs=16)
    runs = airflow.wait_for_runs(dag_id, DAYS, timeout=300)
    assert {run["state"] for run in runs} == {"success"}
    return runs


def _seconds_of(runs: list[Run]) -> float:
    begin, end = (
        choose(datetime.fromisoformat(run[name]) for run in runs)
        for choose, name in ((min, "queued_at"), (max, "end_date"))
    )
    return (end - begin).total_seconds()


@dataclass(frozen=True)
class Load:
    """What a triggerer needs, all its processes together."""

    mebibytes: float
    cores: float


def waiting_triggers() -> list[Figure]:
    """200 waits on one triggerer, against 200 of Airflow's own that ask as often."""
    with Sandbox(publish_hour=10) as sandbox, live_airflow(sandbox) as airflow, _empty_site() as site:
        sandbox.clock = clock_from(EARLY)
        airflow.api.add_connection("bench_http", {"conn_type": "http", "host": site})
        idle = _load_of(airflow)
        peer = _with_waits(airflow, "bench_waiting_peer")
        ours = _with_waits(airflow, "bench_waiting_ours")
    rest = f"idle {idle.mebibytes:.0f} MiB, {idle.cores:.3f} cores"
    return [
        Figure(
            "memory of a triggerer with 200 of our waits, against 200 of Airflow's HttpSensor",
            ours.mebibytes / peer.mebibytes,
            1.3,
            f"{ours.mebibytes:.0f} MiB against {peer.mebibytes:.0f} MiB; {rest}",
        ),
        Figure(
            "CPU of that triggerer, each wait asking every 30 seconds",
            ours.cores / peer.cores,
            1.3,
            f"{ours.cores:.3f} cores against {peer.cores:.3f}; the default is every 15 minutes",
        ),
    ]


@contextmanager
def _empty_site() -> Iterator[str]:
    """Serve nothing: 404, which Airflow's HttpSensor waits out."""

    class NotFound(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(HTTPStatus.NOT_FOUND)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), NotFound) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _with_waits(airflow: LiveAirflow, dag_id: str) -> Load:
    airflow.api.unpause(dag_id)
    run_id = airflow.api.trigger(dag_id)
    airflow.wait(lambda: _waiting(airflow, dag_id, run_id) == WAITS, f"{dag_id} waits", timeout=600)
    time.sleep(WINDOW)  # after which each has asked
    load = _load_of(airflow)
    airflow.api.call("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}", json={"state": "failed"})
    airflow.wait(lambda: _waiting(airflow, dag_id, run_id) == 0, f"{dag_id} has ended")
    return load


def _waiting(airflow: LiveAirflow, dag_id: str, run_id: str) -> int:
    return sum(task["state"] == "deferred" for task in airflow.api.tasks(dag_id, run_id))


def _load_of(airflow: LiveAirflow) -> Load:
    main = psutil.Process(airflow.pid("triggerer"))
    processes = [main, *main.children(recursive=True)]
    before = sum(_cpu_seconds(process) for process in processes)
    time.sleep(WINDOW)
    used = sum(_cpu_seconds(process) for process in processes) - before
    memory = sum(process.memory_full_info().pss for process in processes)
    return Load(memory / 2**20, used / WINDOW)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
