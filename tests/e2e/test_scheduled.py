from __future__ import annotations

from datetime import datetime

import pytest
from wechat_names import TABLES

from airflow_wechat.client.periods import beijing_day, latest_complete
from airflow_wechat.client.reports import get_report
from e2e.journal import asked_for


@pytest.mark.parametrize("report", TABLES)
def test_a_scheduled_run_asks_for_exactly_its_period_and_lands_it(first_runs, report):
    first = first_runs[report]
    begin, end = (first.run[f"data_interval_{name}"] for name in ("start", "end"))
    period = get_report(report).granularity.period_of(beijing_day(datetime.fromisoformat(begin)))

    assert (first.run["run_type"], first.run["state"]) == ("scheduled", "success")
    assert (period.begins_at, period.ends_at) == tuple(map(datetime.fromisoformat, (begin, end)))
    assert period in first.due
    assert first.asked == [asked_for(period)]
    assert first.landed == [str(period.start)]


@pytest.mark.parametrize("report", TABLES)
def test_a_run_by_hand_without_dates_lands_the_latest_complete_period(
    airflow, target, first_runs, open_journal, report
):
    journal = open_journal()

    run_id = airflow.api.trigger(TABLES[report])

    run = airflow.wait_for_run(TABLES[report], run_id)
    period = latest_complete(get_report(report).granularity, datetime.fromisoformat(run["run_after"]))
    assert (run["state"], run["data_interval_start"]) == ("success", None)
    assert journal.asked(report) == [asked_for(period)]
    assert str(period.start) in target.starts(TABLES[report])
