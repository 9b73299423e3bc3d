"""What stands in for a scheduler where a test calls an operator by itself."""

from __future__ import annotations

import json
from types import SimpleNamespace


def connect(monkeypatch, conn_id: str, fields: dict) -> None:
    """Define an Airflow connection by its environment variable."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def context_of_run(*, try_number=1, max_tries=0, **moments):
    """A task's context, with what decides the run's period."""
    run = dict.fromkeys(("partition_date", "partition_key", "data_interval_end", "run_after"))
    return {
        "dag_run": SimpleNamespace(**run | moments),
        "ti": SimpleNamespace(try_number=try_number, max_tries=max_tries),
        "outlet_events": _outlet_events(),
    }


def _outlet_events():
    """Airflow's own, as a task gets them."""
    try:
        from airflow.sdk.execution_time.context import OutletEventAccessors
    except ImportError:  # up to Airflow 2.11
        from airflow.utils.context import OutletEventAccessors
    return OutletEventAccessors()
