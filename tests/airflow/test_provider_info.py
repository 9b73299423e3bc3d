"""What Airflow finds of us once we are installed."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import validate

from airflow_wechat import __version__
from airflow_wechat.client.options import OPTIONS
from airflow_wechat.hooks.wechat import WeChatHook
from airflow_wechat.provider_info import get_provider_info
from airflow_wechat.timetables import ReportTimetable
from own_dags import run_process

INFO = get_provider_info()
IN_TESTS = os.environ | {
    "PYTHONPATH": str(Path(__file__).parents[1]),
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
}


def modules_named() -> list[str]:
    listed = [
        m for kind in ("hooks", "operators", "triggers") for i in INFO[kind] for m in i["python-modules"]
    ]
    return listed + [transfer["python-module"] for transfer in INFO["transfers"]]


def test_the_entry_point_leads_to_the_metadata():
    [entry] = [e for e in entry_points(group="apache_airflow_provider") if "airflow_wechat" in e.value]

    assert entry.load()() == INFO


def test_the_metadata_fits_airflows_schema():
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())

    validate(INFO, schema)


def test_the_version_is_the_packages():
    assert INFO["versions"][0] == __version__


@pytest.mark.parametrize("module", modules_named())
def test_every_module_named_exists(module):
    importlib.import_module(module)


def test_the_connection_form_speaks_of_app_id_and_app_secret_and_hides_what_wechat_does_not_use():
    [connection] = INFO["connection-types"]

    behaviour = connection["ui-field-behaviour"]

    assert behaviour["relabeling"] == {"login": "AppID", "password": "AppSecret", "host": "Base URL"}
    assert set(behaviour["hidden-fields"]) == {"schema", "port"}


def test_older_airflows_get_the_same_form_from_the_hook():
    behaviour = WeChatHook.get_ui_field_behaviour()

    assert behaviour["relabeling"] == INFO["connection-types"][0]["ui-field-behaviour"]["relabeling"]


def test_the_ui_shows_the_form_with_every_option_of_ours():
    code = "import blame, json; blame.install(); from airflow_features import connection_form"
    code += "; print(json.dumps(connection_form('wechat')))"

    done = subprocess.run(
        [sys.executable, "-c", code], env=IN_TESTS, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    form = json.loads(done.stdout.splitlines()[-1])
    assert form["extra"] == [*OPTIONS]
    assert set(form["hidden"]) == {"schema", "port"}
    assert form["titles"] == {"login": "AppID", "password": "AppSecret", "host": "Base URL"}


def test_airflow_lists_the_provider():
    listed = run_process(
        "airflow", "providers", "list", "--output", "json", AIRFLOW__LOGGING__LOGGING_LEVEL="ERROR"
    )

    [ours] = [one for one in json.loads(listed.stdout) if one["package_name"] == "airflow-provider-wechat"]
    assert ours["version"] == __version__


def test_the_connection_type_leads_to_the_hook():
    [connection] = INFO["connection-types"]

    assert connection["connection-type"] == WeChatHook.conn_type == "wechat"
    assert connection["hook-class-name"] == f"{WeChatHook.__module__}.{WeChatHook.__name__}"


def test_the_plugin_registers_the_timetable():
    [entry] = [e for e in entry_points(group="airflow.plugins") if "airflow_wechat" in e.value]

    assert entry.load().timetables == [ReportTimetable]


AIRFLOW_ITSELF = (
    "import airflow.timetables.base, airflow.triggers.base; from airflow.providers.common.compat import sdk; "
)
AIRFLOW_ITSELF += "sdk.BaseOperator, sdk.AirflowPlugin"


@pytest.mark.parametrize(
    ("module", "after", "left_out"),
    [
        ("airflow_wechat", "", ["airflow", "requests", "pendulum"]),
        ("airflow_wechat.provider_info", "", ["airflow", "requests", "pendulum"]),
        ("airflow_wechat.client.client", "", ["airflow", "sqlalchemy"]),
        ("airflow_wechat.storage.sql", "", ["airflow", "requests"]),
        ("airflow_wechat.storage.files", "", ["airflow", "requests", "pyarrow"]),
        ("airflow_wechat.sandbox", "", ["airflow", "sqlalchemy"]),
        ("airflow_wechat.operators.visit_trend", AIRFLOW_ITSELF, ["requests", "sqlalchemy"]),
        ("airflow_wechat.transfers.report_to_sql", AIRFLOW_ITSELF, ["requests", "sqlalchemy"]),
        ("airflow_wechat.transfers.report_to_object_storage", AIRFLOW_ITSELF, ["requests", "pyarrow"]),
        ("airflow_wechat.plugin", AIRFLOW_ITSELF, ["requests", "sqlalchemy", "fastapi"]),
    ],
)
def test_importing_a_module_leaves_out_what_it_does_not_need(module, after, left_out):
    ours = f"import sys\nbefore = set(sys.modules)\nimport {module}\nprint(*sys.modules.keys() - before)"
    code = f"{after}\n{ours}"

    added = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not set(left_out) & set(added.splitlines()[-1].split())
