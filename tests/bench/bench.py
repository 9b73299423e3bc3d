"""What it costs, nearly always as ratios in one run against a bare floor: ``make bench``.

Writes docs/benchmarks.json and docs/benchmarks.md; exits with 1 where a figure is over its limit.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
JSON = ROOT / "docs/benchmarks.json"
sys.path.insert(0, str(ROOT / "tests"))
_HOME = tempfile.TemporaryDirectory(prefix="airflow-bench-")
os.environ |= {"AIRFLOW_HOME": _HOME.name, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

import psycopg2  # noqa: E402
import requests  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from figure import Figure  # noqa: E402
from live import scheduled_backfill, waiting_triggers  # noqa: E402
from page import importing_the_plugin, page_of_ten_years  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from airflow_wechat.client.answers import rows_of  # noqa: E402
from airflow_wechat.client.client import WeChatClient  # noqa: E402
from airflow_wechat.client.periods import Granularity, periods_between  # noqa: E402
from airflow_wechat.client.reports import REPORTS  # noqa: E402
from airflow_wechat.client.token_sources.stable import StableToken  # noqa: E402
from airflow_wechat.client.transport import Transport  # noqa: E402
from airflow_wechat.storage.sql import ReportTable  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402

REPORT = REPORTS["daily_visit_trend"]
YEAR = ("2025-01-01", "2025-12-31")
TEN_YEARS = ("2016-01-01", "2025-12-31")
LATENCY = 0.05
CONCURRENCY = 8
DAYS_OF_YEAR = 365


def main(only: str | None = None) -> int:
    """Measure everything, or one thing whose figures then replace those that were written before."""
    console = Console()
    figures: list[Figure] = []
    for measure in MEASURES:
        if only in (None, measure.__name__):
            with console.status(f"measuring: {measure.__doc__}"):
                measured = measure()
            figures += measured if isinstance(measured, list) else [measured]
    console.print(_table(figures))
    _write(_among_the_others(figures) if only else figures)
    return 0 if figures and all(figure.holds for figure in figures) else 1


def _among_the_others(figures: list[Figure]) -> list[Figure]:
    measured = {figure.name: figure for figure in figures}
    return [
        measured.get(before["name"], Figure(**before)) for before in json.loads(JSON.read_text())["figures"]
    ]


def requests_of_a_year() -> Figure:
    """Requests for a year of days in one run."""
    with sandbox() as connection:
        _run_load(connection, YEAR)
        journal = requests.get(connection["host"] + "/_sandbox/requests", timeout=30).json()
    detail = "one each, one for the token"
    return Figure("requests for 365 periods in one run", len(journal), DAYS_OF_YEAR + 1, detail)


def time_of_a_year() -> Figure:
    """A year of days into SQLite, 50 ms a request."""
    floor = DAYS_OF_YEAR * LATENCY / CONCURRENCY
    with sandbox(latency=LATENCY) as connection:
        seconds = _run_load(connection, YEAR)["seconds"]
    return Figure(
        "a year of days into SQLite, against the latency alone",
        seconds / floor,
        1.25,
        f"{seconds:.2f} s; floor {floor:.2f} s = 365 × 50 ms / 8 at once",
    )


def memory_of_ten_years() -> Figure:
    """Peak memory of ten years against one."""
    with sandbox() as connection:
        one, ten = (_run_load(connection, span)["peak_kib"] for span in (YEAR, TEN_YEARS))
    return Figure(
        "peak memory of ten years, against one year",
        ten / one,
        1.05,
        f"{ten / 1024:.0f} MiB against {one / 1024:.0f} MiB",
    )


def one_fetch() -> Figure:
    """One fetch against a bare post."""
    period = Granularity.DAILY.period_of(date(2025, 3, 13))
    body = json.dumps({"begin_date": "20250313", "end_date": "20250313"})
    with sandbox() as connection:
        transport = Transport(connection["host"])
        tokens = StableToken(transport, connection["login"], connection["password"])
        client, session = WeChatClient(connection["login"], transport, tokens), requests.Session()
        url = f"{connection['host']}{REPORT.path}"

        def bare() -> None:
            session.post(url, params={"access_token": tokens.token()}, data=body, timeout=30).json()

        ours, floor = _in_turns(lambda: client.fetch(REPORT, period), bare, rounds=40, each=50)
    return Figure(
        "one fetch through the client, against a bare requests.Session post",
        ours / floor,
        1.3,
        f"{ours * 1e3:.2f} ms against {floor * 1e3:.2f} ms",
    )


def imports() -> Figure:
    """Importing the operators against Airflow's DAG alone."""
    dag = "from airflow.sdk import DAG"
    operators = (
        f"{dag}; import airflow_wechat.operators.visit_trend, airflow_wechat.transfers.report_to_sql, "
        "airflow_wechat.timetables"
    )

    def importing(code: str) -> Callable[[], None]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True) and None

    ours, floor = _in_turns(importing(operators), importing(dag), rounds=9, each=1)
    return Figure(
        "importing operators, transfer and timetable, against `from airflow.sdk import DAG`",
        ours / floor,
        1.1,
        f"{ours:.2f} s against {floor:.2f} s",
    )


def storing() -> Figure:
    """Storing 3,650 rows in PostgreSQL against a bare executemany upsert."""
    periods = list(periods_between(Granularity.DAILY, date(2016, 1, 1), date(2025, 12, 28)))[:3650]
    now = datetime.now(UTC)
    rows = [row for period in periods for row in rows_of(REPORT, period, "wx1", _answer(period), now)]
    with tempfile.TemporaryDirectory() as folder, PostgresServer(folder) as server:
        table = ReportTable(sa.create_engine(server.uri(driver="psycopg2")), REPORT)
        table.create()
        with psycopg2.connect(server.uri()) as connection:
            ours, floor = _in_turns(
                lambda: table.replace(rows), lambda: _bare_upsert(connection, rows), rounds=7, each=1
            )
    return Figure(
        "storing 3,650 rows in PostgreSQL, against a bare executemany upsert",
        ours / floor,
        2.0,
        f"{ours * 1e3:.0f} ms against {floor * 1e3:.0f} ms",
    )


MEASURES = (
    requests_of_a_year,
    time_of_a_year,
    memory_of_ten_years,
    one_fetch,
    imports,
    storing,
    importing_the_plugin,
    page_of_ten_years,
    scheduled_backfill,
    waiting_triggers,
)


def _answer(period) -> dict:
    return {"list": [{"ref_date": period.ref_date, **{field.name: 7 for field in REPORT.fields}}]}


def _bare_upsert(connection, rows) -> None:
    names = [column.name for column in REPORT.columns]
    new = ", ".join(f"{name} = excluded.{name}" for name in names[2:])
    statement = (
        f"INSERT INTO {REPORT.default_table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) "
        f"ON CONFLICT (app_id, period_start) DO UPDATE SET {new}"
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, [[row[name] for name in names] for row in rows])
    connection.commit()


def _in_turns(
    ours: Callable[[], object], floor: Callable[[], object], *, rounds: int, each: int
) -> tuple[float, float]:
    """Return the median seconds of one call of each, measured in turns so that a slow moment hits both."""
    times: dict[Callable[[], object], list[float]] = {ours: [], floor: []}
    for _ in range(rounds + 1):
        for call, taken in times.items():
            begin = time.perf_counter()
            for _ in range(each):
                call()
            taken.append((time.perf_counter() - begin) / each)
    return median(times[ours][1:]), median(times[floor][1:])  # the first round warms up


@contextmanager
def sandbox(*, latency: float = 0.0):
    """Run the sandbox in a process of its own; give the connection to it."""
    code = (
        "import json, sys, threading; from airflow_wechat.sandbox import Sandbox;"
        "s = Sandbox(publish_hour=0, latency=float(sys.argv[1])).start();"
        "print(json.dumps(s.connection), flush=True); sys.stdin.read(); s.stop()"
    )
    command = [sys.executable, "-c", code, str(latency)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(timeout=30)


def _run_load(connection: dict, span: Iterable[str]) -> dict:
    """Run the transfer for a range in a process of its own; give its seconds and its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "AIRFLOW_CONN_WECHAT_DEFAULT": json.dumps(connection),
            "AIRFLOW_CONN_WECHAT_TARGET": json.dumps({"conn_type": "sqlite", "host": f"{folder}/target.db"}),
        }
        command = [sys.executable, __file__, "--load", *span]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def load(begin_date: str, end_date: str) -> None:
    """What :func:`_run_load` runs."""
    from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
    from runs import context_of_run

    operator = WeChatReportToSqlOperator(
        task_id="load",
        report=REPORT.name,
        sql_conn_id="wechat_target",
        begin_date=begin_date,
        end_date=end_date,
        max_concurrency=CONCURRENCY,
    )
    operator._check_arguments()  # the imports of the first use are measured by themselves
    begin = time.perf_counter()
    operator.execute(context_of_run())
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak_kib": peak}))


def _table(figures: list[Figure]) -> Table:
    table = Table("what", "measured", "at most", "", title="make bench")
    for figure in figures:
        mark = "[green]holds" if figure.holds else "[red]OVER"
        table.add_row(figure.name, f"{figure.value:.2f}", f"{figure.limit:g}", f"{mark}[/]; {figure.detail}")
    return table


def _write(figures: list[Figure]) -> None:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    document = {
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine,
        "figures": [asdict(figure) for figure in figures],
    }
    JSON.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {document['measured_on']} ({machine}). The first figure is a count,",
        "two are times, as they say; each other one is a ratio of two measurements of one run.",
        "",
        "| what | measured | at most | in numbers |",
        "|---|---|---|---|",
        *(f"| {f.name} | {f.value:.2f} | {f.limit:g} | {f.detail} |" for f in figures),
    ]
    (ROOT / "docs/benchmarks.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        load(*sys.argv[2:])
    else:
        sys.exit(main(*sys.argv[1:]))
