"""What Airflow's versions do in different ways, as the tests know it: found by trying, and told here only."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest


@cache
def takes_providers_commands() -> bool:
    """Tell whether ``airflow`` takes commands of providers: from 3.2 on."""
    package = find_spec("airflow")
    assert package and package.origin
    schema = json.loads(Path(package.origin).with_name("provider_info.schema.json").read_text())
    return "cli" in schema["properties"]


@cache
def has_partitions() -> bool:
    """Tell whether schedules may make runs for partitions: from 3.2 on."""
    from airflow.timetables import trigger

    return hasattr(trigger, "CronPartitionTimetable")


@cache
def tasks_ask_an_api() -> bool:
    """Tell whether tasks reach Airflow through an API server, by the Task SDK: from 3.0 on."""
    return any(distributions(name="apache-airflow-task-sdk"))


@cache
def logs_to_stderr() -> bool:
    """Tell whether stdout is left to commands, also at DEBUG: since its parts share their logging, in 3.1."""
    return find_spec("airflow._shared") is not None


@cache
def finds_connections_with_any_extra() -> bool:
    """Tell whether Airflow finds a connection whose Extra is no JSON object: all but 3.0 do."""
    from airflow.providers.common.compat.sdk import AirflowException, BaseHook

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_ODD", json.dumps({"conn_type": "http", "extra": "[1]"}))
        try:
            return BaseHook.get_connection("odd").conn_type == "http"
        except AirflowException:
            return False


def connection_form(conn_type: str) -> dict[str, Any]:
    """Return what Airflow's UI shows for a type of connection: fields of Extra, those hidden, and titles.

    For a process of its own: it leaves traces in Airflow.
    """
    try:
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
    except ImportError:  # up to 2.11, whose forms are made of widgets
        return _form_of_widgets(conn_type)
    [form] = [form for form in HookMetaService.hook_meta_data() if form.connection_type == conn_type]
    standard = {"schema" if name == "url_schema" else name: field for name, field in form.standard_fields}
    return {
        "extra": list(form.extra_fields or ()),
        "hidden": [name for name, field in standard.items() if field and field.hidden],
        "titles": {name: field.title for name, field in standard.items() if field and field.title},
    }


def _form_of_widgets(conn_type: str) -> dict[str, Any]:
    from airflow.providers_manager import ProvidersManager

    prefix = f"extra__{conn_type}__"
    manager = ProvidersManager()
    behaviour = manager.field_behaviours[conn_type]
    return {
        "extra": [name.removeprefix(prefix) for name in manager.connection_form_widgets if prefix in name],
        "hidden": behaviour["hidden_fields"],
        "titles": behaviour["relabeling"],
    }


needs_providers_commands = pytest.mark.skipif(
    not takes_providers_commands(), reason="Airflow takes commands of providers from 3.2 on"
)
