"""Puts a text wherever a secret could get to: shows that the search for secrets finds what is there."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param, task
from airflow.providers.openlineage.utils.selective_enable import enable_lineage


@task
def leak(text: str) -> str:
    """Write a text to the log and to XCom; it is a rendered field as well, and its run's conf."""
    print(text)
    return text


with DAG(dag_id="e2e_leak", schedule=None, params={"text": Param("", type="string")}) as dag:
    leak("{{ params.text }}")
enable_lineage(dag)
