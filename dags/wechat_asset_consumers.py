"""Go on with exactly the days that have landed: in one run after each load, or in one run for each day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pendulum
import sqlalchemy as sa
from airflow.providers.common.compat.sdk import DAG, Asset, BaseHook, Param, task
from wechat_names import ASSETS, SQL_CONN_ID, TABLES, WECHAT_CONN_ID

from airflow_wechat.airflow_versions import tasks_add_partitions
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

WEEK = timedelta(days=7)
VISITS = sa.table(
    TABLES["daily_visit_trend"],
    sa.column("app_id"),
    sa.column("period_start", sa.Date),
    sa.column("visit_uv"),
)

LANDED = Asset(uri=ASSETS["daily_visit_trend"])
LANDED_DAYS = Asset(uri=f"{ASSETS['daily_visit_trend']}/days")


def changes(app_id: str, first: date, last: date) -> dict[str, float]:
    """Return by how many percent each day's visitors changed from the same weekday a week before."""
    query = sa.select(VISITS.c.period_start, VISITS.c.visit_uv).where(
        VISITS.c.app_id == app_id, VISITS.c.period_start.between(first - WEEK, last)
    )
    with BaseHook.get_hook(SQL_CONN_ID).get_sqlalchemy_engine().connect() as connection:
        visitors = dict(connection.execute(query).all())
    return {
        str(day): round(100 * (count / before - 1), 1)
        for day, count in sorted(visitors.items())
        if day >= first and (before := visitors.get(day - WEEK))
    }


# [START after_each_load]
def loads_of(context: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each load that started this run says of itself; there may be several."""
    name = "triggering_asset_events" if "triggering_asset_events" in context else "triggering_dataset_events"
    return [event.extra for events in context[name].values() for event in events if "periods" in event.extra]


@task
def compare_landed(**context: Any) -> dict[str, dict[str, float]]:
    """Compare the days that have landed, for each Mini Program."""
    compared: dict[str, dict[str, float]] = {}
    for load in loads_of(context):
        for first, last in load["periods"]:
            found = changes(load["app_id"], date.fromisoformat(first), date.fromisoformat(last))
            compared.setdefault(load["app_id"], {}).update(found)
    print(f"visitors against a week before, in percent: {compared}")
    return compared


with DAG(
    dag_id="wechat_after_each_load",
    schedule=[LANDED],
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    tags=["wechat"],
    doc_md=__doc__,
):
    compare_landed()
# [END after_each_load]


# [START once_for_each_day]
@task
def compare_day(**context: Any) -> dict[str, dict[str, float]]:
    """Compare the one day that this run is for, for each Mini Program."""
    day = date.fromisoformat(context["dag_run"].partition_key[:10])
    return {load["app_id"]: changes(load["app_id"], day, day) for load in loads_of(context)}


if tasks_add_partitions():  # Airflow 3.3 or newer
    from airflow.sdk import PartitionedAssetTimetable

    with DAG(
        dag_id="wechat_load_days",
        schedule=None,
        params={
            "begin_date": Param("2026-01-01", type="string", format="date", title="First day"),
            "end_date": Param("2026-01-31", type="string", format="date", title="Last day, included"),
        },
        tags=["wechat"],
        doc_md=__doc__,
    ):
        WeChatReportToSqlOperator(
            task_id="load",
            wechat_conn_id=WECHAT_CONN_ID,
            report="daily_visit_trend",
            sql_conn_id=SQL_CONN_ID,
            begin_date="{{ params.begin_date }}",
            end_date="{{ params.end_date }}",
            deferrable=True,
            outlets=[LANDED_DAYS],
            partition_outlets=True,
        )

    with DAG(
        dag_id="wechat_once_for_each_day",
        schedule=PartitionedAssetTimetable(assets=LANDED_DAYS),
        tags=["wechat"],
        doc_md=__doc__,
    ):
        compare_day()
# [END once_for_each_day]
