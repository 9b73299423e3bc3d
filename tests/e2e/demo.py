"""``make demo``: a sandbox's visit trends, brought into a database by a real Airflow.

With WECHAT_APPID and WECHAT_SECRET in the environment the real WeChat is asked instead of a sandbox.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from wechat_names import SQL_CONN_ID, TABLES, WECHAT_CONN_ID

from airflow_wechat.client.periods import READY_AFTER, Period
from airflow_wechat.sandbox import Sandbox
from e2e.airflow_api import ENDED, Run, all_ended
from e2e.demo_report import ProgressLine, changes_text, chart, landing_table
from e2e.landed import Landing, expected_periods, read_landing
from e2e.live_airflow import LiveAirflow
from e2e.processes import (
    Component,
    end_on_sigterm,
    free_ports,
    signals_ignored,
    stop_all,
    wait_until,
)

PROJECT = Path(__file__).parents[2]
COMPARE = "wechat_compare_periods"

_PATIENCE = 300

Connection = dict[str, Any]


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass
class Demo:
    """One demo: its folder, its Airflow, and what is expected of it.

    :param wechat: the connection to WeChat or its stand-in
    :param real: whether it is WeChat itself
    """

    home: Path
    airflow: LiveAirflow
    wechat: Connection
    real: bool
    console: Console
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def database(self) -> Path:
        """The target: an SQLite file."""
        return self.home / "visit_trends.db"

    @cached_property
    def expected(self) -> dict[str, list[Period]]:
        """The periods to land, by report: those whose runs are due; the sandbox publishes sooner."""
        return {report: expected_periods(report, self.started_at - READY_AFTER) for report in TABLES}

    def begin(self) -> None:
        """Register the connections, create the backfills and let all runs begin."""
        api = self.airflow.api
        api.add_connection(WECHAT_CONN_ID, self.wechat)
        api.add_connection(SQL_CONN_ID, {"conn_type": "sqlite", "host": str(self.database)})
        self.airflow.wait_for_dags(*TABLES.values(), COMPARE)
        for report, periods in self.expected.items():
            api.create_backfill(TABLES[report], periods[0].start, periods[-1].end)
            api.unpause(TABLES[report])
        api.unpause(COMPARE)

    def wait(self) -> list[Run]:
        """Wait until all runs have ended, with a line that says how many, or long enough; return them."""
        total = sum(map(len, self.expected.values())) + 1
        with ProgressLine(self.console, "Runs ended", total) as line:

            def ended() -> list[Run]:
                runs = self.runs()
                line.show(sum(run["state"] in ENDED for run in runs))
                return runs if len(runs) >= total and all_ended(runs) else []

            with suppress(TimeoutError):
                self.airflow.wait(ended, "all runs end", timeout=_PATIENCE)
        return self.runs()

    def runs(self) -> list[Run]:
        """Return the runs of all the demo's DAGs."""
        return [run for dag_id in (*TABLES.values(), COMPARE) for run in self.airflow.api.runs(dag_id)]

    def tell(self, runs: list[Run]) -> bool:
        """Show what landed, and return whether that is everything."""
        landings = [read_landing(self.database, report, periods) for report, periods in self.expected.items()]
        self.console.print(landing_table(landings))
        self.console.print(chart(landings[0].landed))
        self._tell_changes(runs)
        faults = [*self._failures(runs), *self._missing(landings, runs), *self._wrong(landings)]
        for fault in faults:
            self.console.print(fault, style="red", highlight=False)
        if not faults:
            self.console.print(self._praise(landings), style="bold green", highlight=False)
        return not faults

    def _tell_changes(self, runs: list[Run]) -> None:
        for run in runs:
            if run["dag_id"] == COMPARE and run["state"] == "success":
                changes = self.airflow.api.xcom(COMPARE, run["dag_run_id"], "compare")
                self.console.print(changes_text(changes), highlight=False, soft_wrap=True)

    def _failures(self, runs: list[Run]) -> list[str]:
        return [
            f"{run['dag_id']}: task {task['task_id']} of run {run['dag_run_id']} is {task['state']}"
            for run in runs
            if run["state"] != "success"
            for task in self.airflow.api.tasks(run["dag_id"], run["dag_run_id"])
            if task["state"] != "success"
        ]

    def _missing(self, landings: list[Landing], runs: list[Run]) -> list[str]:
        answered = self._answered_empty(runs)
        return [
            f"{landing.report}: {period} is missing"
            for landing in landings
            for period in landing.missing
            if (landing.table, period.begins_at) not in answered
        ]

    def _answered_empty(self, runs: list[Run]) -> set[tuple[str, datetime]]:
        """Return which periods without a row are none of ours: a quiet app, of which WeChat has no data."""
        return {
            (run["dag_id"], datetime.fromisoformat(run["data_interval_start"]))
            for run in runs
            if self.real and run["state"] == "success" and run["data_interval_start"]
        }

    def _wrong(self, landings: list[Landing]) -> list[str]:
        if self.real:
            return []
        return [fault for landing in landings for fault in landing.wrong(self.wechat["login"])]

    def _praise(self, landings: list[Landing]) -> str:
        periods = sum(len(landing.expected) for landing in landings)
        rows = sum(len(landing.landed) for landing in landings)
        if rows < periods:
            return (
                f"No period is missing: {periods} asked for, {rows} landed, of the others WeChat has no data."
            )
        numbers = "" if self.real else ", and every number is the sandbox's"
        return f"No period is missing: {rows} of {periods} landed{numbers}."


def wechat_of_environment() -> Connection | None:
    """Return the connection to the real WeChat, where the environment has one.

    :raises DemoError: where it has half of one
    """
    app_id, secret = (os.environ.get(name) for name in ("WECHAT_APPID", "WECHAT_SECRET"))
    if bool(app_id) != bool(secret):
        raise DemoError("give both WECHAT_APPID and WECHAT_SECRET, or none of them for the sandbox")
    return {"conn_type": "wechat", "login": app_id, "password": secret} if app_id else None


@contextmanager
def sandbox_process(home: Path) -> Iterator[Connection]:
    """Run a sandbox that publishes at midnight, so that the demo works at any hour; give the connection."""
    port = free_ports(1)[0]
    app = Sandbox().app
    command = [sys.executable, "-m", "airflow_wechat.sandbox", "--port", str(port), "--publish-hour", "0"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    component = Component("sandbox", command, env, home / "sandbox.log")
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url), "the sandbox answers", timeout=30, watched=[component])
        yield {"conn_type": "wechat", "login": app.app_id, "password": app.secret, "host": url}
    finally:
        with signals_ignored():
            stop_all([component])


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/_sandbox/requests", timeout=5, proxies={"http": ""}).ok
    except requests.ConnectionError:
        return False


@contextmanager
def new_folder(home: Path) -> Iterator[Path]:
    """Make the demo's folder anew and hold it, so that no second demo pulls it away.

    :raises DemoError: where a demo holds it already
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"a demo is running in {home}: stop it with Ctrl-C first") from None
        for old in home.iterdir():
            if old.name != "lock":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        yield home


def run_demo(home: Path, console: Console, *, keep: bool) -> bool:
    """Run the demo from begin to end.

    :return: whether everything landed
    """
    with ExitStack() as stack:
        real = wechat_of_environment()
        stack.enter_context(new_folder(home))
        console.print(f"Starting {'' if real else 'a sandbox and '}Airflow in {home.name}/ ...")
        wechat = real or stack.enter_context(sandbox_process(home))
        airflow = stack.enter_context(LiveAirflow(home / "airflow", [PROJECT / "dags"]))
        stack.callback(console.print, "Stopping ...")
        console.print(_where(airflow), highlight=False)
        demo = Demo(home, airflow, wechat, bool(real), console)
        demo.begin()
        complete = demo.tell(demo.wait())
        if keep:
            _keep(demo)
    return complete


def _where(airflow: LiveAirflow) -> str:
    return f"Airflow's UI: {airflow.url}  login: {airflow.user}  password: {airflow.password}"


def _keep(demo: Demo) -> None:
    demo.console.print(
        f"{_where(demo.airflow)}\nThe rows are in {demo.database}. Ctrl-C stops all.", soft_wrap=True
    )
    with suppress(KeyboardInterrupt):
        demo.airflow.wait(lambda: False, "Ctrl-C", timeout=float("inf"))


def main(arguments: list[str] | None = None) -> int:
    """Run the demo as a program.

    :return: the exit status: 0 where everything landed
    """
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave Airflow running until Ctrl-C")
    parser.add_argument("--home", type=Path, default=PROJECT / ".demo", help="the demo's folder")
    options = parser.parse_args(arguments)
    console = Console()
    began = time.monotonic()
    end_on_sigterm()
    try:
        complete = run_demo(options.home.absolute(), console, keep=options.keep)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    except DemoError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 2
    except (RuntimeError, TimeoutError) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        console.print(f"The logs are in {options.home}.")
        return 1
    console.print(f"Done in {time.monotonic() - began:.0f} s.")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
