from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from wechat_names import TABLES

from airflow_wechat.client.periods import beijing_day, latest_complete
from airflow_wechat.client.reports import get_report
from e2e.journal import asked_for

READY_AFTER = timedelta(hours=10, minutes=30)


def newest_due(report):
    return latest_complete(get_report(report).granularity, datetime.now(UTC) - READY_AFTER)


@pytest.mark.parametrize("report", TABLES)
def test_a_scheduled_run_asks_for_exactly_its_period_and_lands_it(
    airflow, target, settle, open_journal, report
):
    due, journal, known = {newest_due(report)}, open_journal(), len(airflow.api.runs(TABLES[report]))

    settle(TABLES[report])

    due.add(newest_due(report))
    run = next(run for run in airflow.api.runs(TABLES[report]) if run["run_type"] == "scheduled")
    start = beijing_day(datetime.fromisoformat(run["data_interval_start"]))
    period = get_report(report).granularity.period_of(start)
    assert (known, run["state"]) == (0, "success")
    assert period in due
    assert journal.asked(report) == [asked_for(period)]
    assert target.starts(TABLES[report]) == [str(period.start)]


@pytest.mark.parametrize("report", TABLES)
def test_a_run_by_hand_without_dates_lands_the_latest_complete_period(
    airflow, target, settle, open_journal, report
):
    settle(TABLES[report])
    journal = open_journal()

    run_id = airflow.api.trigger(TABLES[report])

    run = airflow.wait_for_run(TABLES[report], run_id)
    period = latest_complete(get_report(report).granularity, datetime.fromisoformat(run["run_after"]))
    assert (run["state"], run["data_interval_start"]) == ("success", None)
    assert journal.asked(report) == [asked_for(period)]
    assert str(period.start) in target.starts(TABLES[report])
