"""The sample DAGs, as a DAG processor reads them, with no connection present."""

from __future__ import annotations

import ast
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_wechat.airflow_versions import assets_among, tasks_add_partitions
from airflow_wechat.client.periods import periods_between
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from runs import context_of_run

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="module")
def bag():
    from airflow.models import DagBag

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DAGS)  # as Airflow's processes do with the DAGs folder
        return DagBag(DAGS)


def test_all_import_with_no_connection_present(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == {
        "wechat_daily_visit_trend",
        "wechat_weekly_visit_trend",
        "wechat_monthly_visit_trend",
        "wechat_compare_periods",
        "wechat_health",
        "wechat_load_range",
        "wechat_many_apps",
        "wechat_after_each_load",
        *(("wechat_load_days", "wechat_once_for_each_day") if tasks_add_partitions() else ()),
        "wechat_daily_visit_trend_to_lake",
        "wechat_weekly_visit_trend_to_lake",
        "wechat_monthly_visit_trend_to_lake",
    }


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_each_report_has_its_dag_by_tag_schedule_and_table(bag, report):
    [dag] = [dag for dag in bag.dags.values() if report.name in dag.tags]

    [task] = dag.tasks

    assert dag.timetable.serialize()["granularity"] == report.granularity
    assert (task.report, task.table) == (report.name, report.default_table)
    assert task.deferrable is True
    assert task.retries > 0
    assert len(assets_among(task.outlets)) == 1
    assert dag.catchup is False


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_has_a_dag_that_lands_it_in_files(bag, report):
    [task] = bag.dags[f"wechat_{report}_to_lake"].tasks

    assert (task.report, task.file_format, task.deferrable) == (report, "parquet", True)
    assert task.retries > 0


def test_the_range_dag_offers_every_report_and_picks_dates(bag):
    params = bag.dags["wechat_load_range"].params

    assert params.get_param("report").schema["enum"] == list(REPORTS)
    assert {params.get_param(name).schema["format"] for name in ("begin_date", "end_date")} == {"date"}


def test_the_compare_dag_chains_the_three_fetch_operators(bag):
    dag = bag.dags["wechat_compare_periods"]

    assert dag.get_task("daily").downstream_task_ids >= {"weekly"}
    assert dag.get_task("weekly").downstream_task_ids >= {"monthly"}
    assert dag.get_task("compare").upstream_task_ids == {"daily", "weekly", "monthly"}


def test_comparing_names_the_change_in_percent(bag):
    compare = bag.dags["wechat_compare_periods"].get_task("compare").python_callable
    before = {"ref_date": "a", "session_cnt": 10, "visit_pv": 100, "visit_uv": 0, "visit_uv_new": 4}
    this = {"ref_date": "b", "session_cnt": 15, "visit_pv": 50, "visit_uv": 9, "visit_uv_new": 4}

    changes = compare(daily=[before, this], weekly=[this], monthly=[])

    assert changes == {
        "daily": {"session_cnt": 50.0, "visit_pv": -50.0, "visit_uv": None, "visit_uv_new": 0.0}
    }


@pytest.mark.parametrize("name", ["triggering_asset_events", "triggering_dataset_events"])
def test_the_days_that_landed_are_compared_with_the_week_before(bag, wechat, sqlite_target, name):
    compare = bag.dags["wechat_after_each_load"].get_task("compare_landed").python_callable
    report = REPORTS["daily_visit_trend"]
    days = {"begin_date": "2026-01-01", "end_date": "2026-01-14"}
    load = WeChatReportToSqlOperator(task_id="t", report=report.name, sql_conn_id="wechat_target", **days)
    load.execute(context_of_run())
    visitors = {
        period.start.day: entry_of(wechat.app.app_id, period, report.fields)["visit_uv"]
        for period in periods_between(report.granularity, date(2026, 1, 1), date(2026, 1, 14))
    }
    extra = {
        "app_id": wechat.app.app_id,
        "periods": [["2026-01-05", "2026-01-08"], ["2026-01-10", "2026-01-10"]],
    }
    events = {"asset": [SimpleNamespace(extra=extra), SimpleNamespace(extra={"from_rest_api": True})]}

    compared = compare(**{name: events})

    assert compared == {
        wechat.app.app_id: {
            f"2026-01-{day:02}": round(100 * (visitors[day] / visitors[day - 7] - 1), 1) for day in (8, 10)
        }
    }


@pytest.mark.parametrize("file", sorted(DAGS.glob("wechat_*.py")), ids=lambda file: file.name)
def test_every_connection_and_table_is_named_in_one_place(file):
    if file.name == "wechat_names.py":
        return
    texts = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}

    assert not texts & {"wechat_default", "wechat_target", *(r.default_table for r in REPORTS.values())}
