"""The wheel alone, in an empty environment and away from the checkout, is a working provider."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest

from airflow_wechat import __version__
from airflow_wechat.client.options import OPTIONS
from airflow_wechat.client.reports import REPORTS


def test_it_is_what_is_imported(installed):
    printed = installed.run("-c", "import airflow_wechat; print(airflow_wechat.__file__)")

    assert Path(printed.strip()).is_relative_to(installed.folder / "venv")


def test_airflow_lists_the_provider(installed):
    listed = json.loads(installed.run("-m", "airflow", "providers", "list", "--output", "json"))

    [ours] = [one for one in listed if one["package_name"] == "airflow-provider-wechat"]
    assert ours["version"] == __version__


FORM = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

[form] = [form for form in HookMetaService.hook_meta_data() if form.connection_type == "wechat"]
titles = {name: field.title for name, field in form.standard_fields if field and field.title}
print(json.dumps({"extra": [*form.extra_fields], "titles": titles}))
"""


def test_the_connection_form_has_every_field(installed):
    form = json.loads(installed.run("-c", FORM).splitlines()[-1])

    assert form["extra"] == [*OPTIONS]
    assert form["titles"] == {"login": "AppID", "password": "AppSecret", "host": "Base URL"}


def test_airflow_loads_the_plugin_with_its_timetable(installed):
    listed = json.loads(installed.run("-m", "airflow", "plugins", "--output", "json"))

    [ours] = [plugin for plugin in listed if plugin["name"] == "wechat"]
    assert "ReportTimetable" in str(ours)
    assert "WeChat Trends" in str(ours)


PAGE = """
import plotly
from fastapi.testclient import TestClient
from airflow_wechat.trends.page import TrendsApp

print(TestClient(TrendsApp()).get("/").status_code)
"""


def test_the_page_is_served_and_wants_a_user(installed):
    assert installed.run("-c", PAGE).split()[-1] == "401"


def test_the_cloud_function_is_in_it(installed, tmp_path):
    installed.run("-m", "airflow_wechat", "cloud-function", str(tmp_path))

    assert {"index.js", "config.json"} <= {file.name for file in (tmp_path / "wechatReports").iterdir()}


@pytest.fixture(scope="session")
def connection(installed):
    """The connection that the installed sandbox prints, for as long as it runs."""
    process = subprocess.Popen(
        [installed.python, "-m", "airflow_wechat.sandbox", "--publish-hour", "0"],
        cwd=installed.folder,
        env=installed.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        [shown] = list(_lines_up_to(process.stdout, "--conn-json"))[-1:]
        yield shown.partition("--conn-json ")[2].strip().strip("'")
    finally:
        process.terminate()
        process.wait(timeout=10)


def _lines_up_to(stream, text):
    for line in stream:
        yield line
        if text in line:
            return


def test_the_doctor_finds_the_sandbox_well(installed, connection):
    findings = json.loads(
        installed.run("-m", "airflow_wechat", "check", "--json", AIRFLOW_CONN_WECHAT_DEFAULT=connection)
    )

    assert findings["healthy"] is True


def test_a_sample_dag_lands_a_day(installed, connection):
    [report, *_] = REPORTS.values()
    installed.run("-m", "airflow", "db", "migrate")

    installed.run(
        *("-m", "airflow", "dags", "test", report.default_table, "2026-01-31T00:00:00+08:00"),
        AIRFLOW_CONN_WECHAT_DEFAULT=connection,
    )

    with sqlite3.connect(installed.target) as target:
        landed = target.execute(f"SELECT app_id, visit_uv > 0 FROM {report.default_table}").fetchall()
    assert landed == [(json.loads(connection)["login"], 1)]
