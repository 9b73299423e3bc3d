"""What the trends page costs: its server with ten years of days, and every process that loads the plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from statistics import median
from unittest.mock import patch

import sqlalchemy as sa
from figure import Figure

from airflow_wechat.client.answers import rows_of
from airflow_wechat.client.periods import Granularity, periods_between
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.storage.sql import ReportTable
from postgres_server import PostgresServer

REPORT = REPORTS["daily_visit_trend"]
FIRST, LAST = date(2016, 1, 1), date(2025, 12, 31)
ROUNDS = 7


def page_of_ten_years() -> Figure:
    """Ten years of days on the trends page."""
    query = f"report={REPORT.name}&app_id=wx1&begin={FIRST}&end={LAST}"
    paths = ("/api/choices", f"/api/trend?{query}", f"/api/coverage?{query}")
    with _client_of_ten_years() as client:
        seconds = [_seconds_of(client, paths) for _ in range(ROUNDS + 1)]
    each = [median(times) for times in zip(*seconds[1:], strict=True)]
    return Figure(
        "seconds in which the trends page's server answers for ten years of days, all its questions together",
        sum(each),
        1.0,
        "choices {:.2f} s, numbers {:.2f} s, coverage {:.2f} s; PostgreSQL".format(*each),
    )


def _seconds_of(client, paths) -> list[float]:
    taken = []
    for path in paths:
        begin = time.perf_counter()
        answer = client.get(path)
        taken.append(time.perf_counter() - begin)
        assert answer.status_code == 200, answer.text
    return taken


@contextmanager
def _client_of_ten_years() -> Iterator:
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.testclient import TestClient

    from airflow_wechat.trends import application

    with tempfile.TemporaryDirectory() as folder, PostgresServer(folder) as server:
        _store(server)
        connection = {"conn_type": "postgres", "host": server.host, "port": server.port}
        connection |= {"login": server.user, "password": server.password, "schema": "postgres"}
        environment = {
            "AIRFLOW_CONN_WECHAT_TARGET": json.dumps(connection),
            "AIRFLOW__WECHAT__TRENDS_SQL_CONN_ID": "wechat_target",
        }
        app = application.create_application()
        app.dependency_overrides[get_user] = lambda: None
        with (
            patch.dict(os.environ, environment),
            patch.object(application, "readable_reports", lambda _: [REPORT]),
        ):
            yield TestClient(app)


def _store(server: PostgresServer) -> None:
    now = datetime.now(UTC)
    numbers = {field.name: 7 for field in REPORT.fields}
    table = ReportTable(sa.create_engine(server.uri(driver="psycopg2")), REPORT)
    table.create()
    table.replace(
        [
            row
            for period in periods_between(Granularity.DAILY, FIRST, LAST)
            for row in rows_of(
                REPORT, period, "wx1", {"list": [{"ref_date": period.ref_date, **numbers}]}, now
            )
        ]
    )


def importing_the_plugin() -> Figure:
    """Importing the plugin, beyond what Airflow itself imports."""
    code = (
        "import time; from airflow.providers.common.compat.sdk import AirflowPlugin, BaseHook;"
        "from airflow.timetables import base; begin = time.perf_counter();"
        "import airflow_wechat.plugin; print(time.perf_counter() - begin)"
    )
    command = [sys.executable, "-c", code]
    taken = [
        float(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
        for _ in range(ROUNDS)
    ]
    return Figure(
        "milliseconds that importing the plugin costs a process beyond Airflow's own imports",
        median(taken) * 1e3,
        20.0,
        "timetable and page; the page itself is imported by whoever opens it",
    )
