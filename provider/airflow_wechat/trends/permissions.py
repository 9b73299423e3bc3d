"""What Airflow lets a user see and do: a report is seen by whoever may read one of its DAGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagModel

from airflow_wechat.airflow_versions import find_dags, tagged_dags
from airflow_wechat.client.reports import REPORTS, Report

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

    from airflow_wechat.airflow_versions import FoundDag


def readable_reports(user: BaseUser) -> list[Report]:
    """Return the reports that a user may see: of at least one DAG that is tagged with their name."""
    readable = _readable(user)
    return [report for report in REPORTS.values() if readable & tagged_dags(report.name)]


def readable_dags(user: BaseUser, report: Report) -> list[FoundDag]:
    """Return the DAGs of a report that a user may see."""
    readable = _readable(user)
    return [dag for dag in find_dags(tag=report.name) if dag.dag_id in readable]


def may_fill(user: BaseUser, dag_id: str) -> bool:
    """Tell whether a user may start a backfill of a DAG; Airflow itself asks again when they do."""
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    return bool(
        get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
        )
    )


def _readable(user: BaseUser) -> set[str]:
    return set(get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))
