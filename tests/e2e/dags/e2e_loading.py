"""What the DAGs of the ways to start a run have in common."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator


def make_dag(
    dag_id: str, granularity: str, schedule: Any = None, *, load: dict[str, Any] | None = None, **options: Any
) -> None:
    """Make a DAG that loads a report by a connection of its own into a table of its own, all of one name.

    :param load: more of the operator's parameters
    :param options: more of the DAG's
    """
    with DAG(dag_id=dag_id, schedule=schedule, **options):
        WeChatReportToSqlOperator(
            task_id="load",
            wechat_conn_id=dag_id,
            report=f"{granularity}_visit_trend",
            sql_conn_id="wechat_target",
            table=dag_id,
            **(load or {}),
        )
