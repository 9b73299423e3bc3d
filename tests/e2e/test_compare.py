from __future__ import annotations

from datetime import datetime

import pytest

from airflow_wechat.client.periods import Granularity, latest_complete
from airflow_wechat.client.reports import get_report
from airflow_wechat.sandbox.numbers import entry_of

DAG_ID = "wechat_compare_periods"
MEASURES = ("session_cnt", "visit_pv", "visit_uv", "visit_uv_new")


@pytest.fixture
def run(airflow, settle):
    settle(DAG_ID)
    return airflow.api.runs(DAG_ID)[0]


def test_the_fetch_operators_hand_on_two_periods_each_and_the_next_task_compares_them(airflow, sandbox, run):
    ended_at = datetime.fromisoformat(run["data_interval_end"])

    changes = airflow.api.xcom(DAG_ID, run["dag_run_id"], "compare")

    assert run["state"] == "success"
    assert set(changes) == set(Granularity)
    for granularity in Granularity:
        report = get_report(f"{granularity}_visit_trend")
        this = latest_complete(granularity, ended_at)
        old, new = (entry_of(sandbox.app.app_id, period, report.fields) for period in (this.earlier(1), this))
        rows = airflow.api.xcom(DAG_ID, run["dag_run_id"], granularity)
        assert [row["period_start"] for row in rows] == [str(this.earlier(1).start), str(this.start)]
        assert [row["visit_pv"] for row in rows] == [old["visit_pv"], new["visit_pv"]]
        assert set(rows[0]) == {column.name for column in report.columns}  # PostgreSQL keeps no order here
        assert changes[granularity] == {
            name: round(100 * (new[name] / old[name] - 1), 1) for name in MEASURES
        }
