"""Nothing that Airflow deprecates is used by our code: ``blame.py`` and pytest's filters see to it.

All tests in this folder run under both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

DEPRECATED = {
    "2.11": "from airflow.utils.dates import days_ago; days_ago(1)",
    "3.0 and newer": "from airflow.operators.python import PythonOperator",
    "3.1 and newer": "from airflow.hooks.base import BaseHook",
    "3.2 and newer": "from airflow.utils.context import Context",
}
"""What some version deprecates; the others lack it, or do not mind."""

IMPORT_ALL = """
import blame, importlib, pkgutil
blame.install()
import airflow_wechat
from airflow_wechat.airflow_versions import plugins_have_pages
behind_the_page = () if plugins_have_pages() else ("trends.application", "trends.permissions")
for module in pkgutil.walk_packages(airflow_wechat.__path__, "airflow_wechat."):
    if not module.name.endswith(("__main__", *behind_the_page)):
        importlib.import_module(module.name)
        print(module.name)
"""


def run_as(module, code):
    exec(compile(code, "probe.py", "exec"), {"__name__": module})


def errors_of(module):
    found = []
    for code in DEPRECATED.values():
        with suppress(ImportError):
            try:
                run_as(module, code)
            except (DeprecationWarning, FutureWarning) as error:
                found.append(type(error).__name__)
    return found


def test_no_module_of_ours_uses_anything_deprecated_when_it_is_imported():
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert {"airflow_wechat.plugin", "airflow_wechat.triggers.report"} <= set(done.stdout.splitlines())


@pytest.mark.parametrize("module", ["airflow_wechat.hooks.probe", "unusual_prefix_a1b2_wechat_probe"])
def test_what_this_airflow_deprecates_is_an_error_in_the_provider_and_in_sample_dags(module):
    assert errors_of(module)


def test_it_is_none_in_other_peoples_code():
    with warnings.catch_warnings(action="ignore"):
        assert errors_of("somebody.elses") == []


def test_it_is_an_error_also_where_the_compatibility_layer_comes_upon_it_for_us():
    passing_on = "import warnings\ndef find(): warnings.warn('old', DeprecationWarning, stacklevel=2)"
    scope = {"__name__": "airflow.providers.common.compat._probe"}
    exec(f"{passing_on}\ndef get(): find()", scope)
    caller = {"__name__": "airflow_wechat.probe", "get": scope["get"]}

    with pytest.raises(DeprecationWarning, match="old"):
        exec("get()", caller)


def test_it_is_an_error_also_where_airflow_itself_comes_upon_it_and_names_us():
    words = "Hook airflow_wechat.hooks.wechat.WeChatHook defines what is old"

    with pytest.raises(FutureWarning, match="is old"):
        run_as("airflow.providers_manager", f"import warnings; warnings.warn({words!r}, FutureWarning)")


def test_any_other_warning_that_names_a_module_of_ours_is_an_error_too():
    with pytest.raises(UserWarning, match="look here"):
        run_as("airflow_wechat.probe", "import warnings; warnings.warn('look here')")
