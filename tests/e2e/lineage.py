"""What OpenLineage was told, in an Airflow that has it written to a file."""

from __future__ import annotations

import json
from typing import Any

from e2e.live_airflow import LiveAirflow

Event = dict[str, Any]

FILE = "lineage.jsonl"


def told_of(airflow: LiveAirflow, job: str, run_id: str, event_type: str) -> list[Event]:
    """Return what was told of a task in a run; none perhaps: a process tells it that may outlive the task.

    :param job: DAG and task, as ``dag.task``
    :param event_type: as ``COMPLETE``
    """
    file = airflow.home / FILE
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [
        event
        for event in events
        if (event["job"]["name"], event["eventType"]) == (job, event_type)
        and event["run"]["facets"]["airflow"]["dagRun"]["run_id"] == run_id
    ]
