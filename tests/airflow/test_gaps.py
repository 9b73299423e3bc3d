"""Gaps: what is missing, and the commands that fill it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_features import has_partitions
from airflow_wechat.airflow_versions import AIRFLOW_2, AIRFLOW_3, find_dags
from airflow_wechat.client.periods import (
    BEIJING,
    Granularity,
    PeriodRange,
    periods_between,
    periods_of_run,
    stretches_of,
)
from airflow_wechat.client.reports import get_report
from airflow_wechat.filling import due_periods, periods_not_due
from airflow_wechat.gaps import (
    Dates,
    Findings,
    dates_of,
    dates_of_runs,
    missing_of,
    search_window,
)
from own_dags import read_own_dags

DAILY, WEEKLY, MONTHLY = Granularity


@pytest.fixture(scope="module")
def metadata():
    """Airflow's database, with own DAGs."""
    read_own_dags()


def found(dag_id):
    [dag] = find_dags(tag="", dag_id=dag_id)
    return dag


def days(*names):
    return [DAILY.period_of(date.fromisoformat(name)) for name in names]


# What is missing


def test_what_is_due_and_not_stored_is_missing():
    due = periods_between(WEEKLY, date(2026, 3, 4), date(2026, 3, 24))

    missing = missing_of(due, {date(2026, 3, 9), date(2026, 3, 30)})

    assert [str(period.start) for period in missing] == ["2026-03-02", "2026-03-16", "2026-03-23"]


@pytest.mark.parametrize(
    ("moment", "newest", "still_to_come"),
    [
        ("2026-03-02 10:29:59", "2026-02-28", ["2026-03-01"]),
        ("2026-03-02 10:30:00", "2026-03-01", []),
        ("2026-03-02 23:59:59", "2026-03-01", []),
        ("2026-03-03 00:00:00", "2026-03-01", ["2026-03-02"]),
    ],
)
def test_a_day_is_due_at_half_past_ten_of_the_next_and_until_then_still_to_be_published(
    moment, newest, still_to_come
):
    now = datetime.fromisoformat(moment).replace(tzinfo=BEIJING)

    due = due_periods(DAILY, date(2026, 2, 1), now)

    assert (str(due.first), str(due.last)) == ("2026-02-01", newest)
    assert [str(period) for period in periods_not_due(due, now)] == still_to_come


def test_nothing_is_due_from_a_day_to_come_on():
    due = due_periods(MONTHLY, date(2026, 3, 2), datetime(2026, 3, 20, tzinfo=UTC))

    assert list(due) == list(periods_not_due(due, datetime(2026, 3, 20, tzinfo=UTC))) == []


# The dates that fill it


@st.composite
def tables(draw):
    """A report's granularity, what is due, and the first days of what is stored."""
    granularity = draw(st.sampled_from(Granularity))
    first = draw(st.dates(date(2017, 1, 9), date(2030, 12, 31)))
    due = periods_between(granularity, first, first + timedelta(draw(st.integers(0, 200))))
    stored = draw(st.sets(st.sampled_from([period.start for period in due])))
    return granularity, due, stored


def runs_of(dag_id, dates):
    """Return the runs that Airflow makes of a backfill between two dates of its command line."""
    begin, end = (pendulum.parse(text, tz="UTC") for text in (dates.begin, dates.end))
    return begin, end, list(found(dag_id).serialized.iter_dagrun_infos_between(begin, end))


@pytest.mark.parametrize("form", [AIRFLOW_2, AIRFLOW_3], ids=["2", "3"])
@settings(deadline=None)  # the first example opens the database
@given(table=tables())
def test_the_backfills_of_all_stretches_fill_exactly_what_is_missing(metadata, table, form):
    granularity, due, stored = table
    missing = missing_of(due, stored)
    dag_id = {DAILY: "own_daily", WEEKLY: "own_weekly_one", MONTHLY: "own_monthly"}[granularity]

    filled = []
    for stretch in stretches_of(missing):
        begin, end, infos = runs_of(dag_id, dates_of(stretch, plain=form.plain_days))
        filled += [info.logical_date.astimezone(BEIJING).date() for info in infos]
        # What Airflow 2 runs again, where it exists, are the runs of these logical dates.
        assert form is AIRFLOW_3 or all(begin <= info.logical_date <= end for info in infos)

    assert filled == [period.start for period in missing]


def test_plain_days_would_leave_out_the_first_run_that_airflow_2_is_to_repeat(metadata):
    stretch = PeriodRange(*days("2026-01-03", "2026-01-05"))

    begin, _, infos = runs_of("own_daily", dates_of(stretch, plain=True))

    assert infos[0].logical_date < begin


@pytest.mark.parametrize(
    ("dag_id", "dates"),
    [
        ("cron", Dates("2026-01-04T11:00:00+08:00", "2026-01-06T11:00:00+08:00")),
        ("cron_interval", Dates("2026-01-03T00:00:00+08:00", "2026-01-05T00:00:00+08:00")),
        ("cron_utc", Dates("2026-01-03T08:00:00+08:00", "2026-01-05T08:00:00+08:00")),
        ("no_schedule", None),
    ],
)
def test_another_schedule_is_asked_for_its_runs_of_the_stretch(metadata, dag_id, dates):
    """A cron's run stands for the day before, one with an interval for the day of its logical date."""
    stretch = PeriodRange(*days("2026-01-03", "2026-01-05"))
    window = search_window(stretch, datetime(2026, 2, 1, tzinfo=UTC))

    assert dates_of_runs(DAILY, stretch, found(dag_id).runs_between(*window)) == dates


def test_runs_to_come_are_not_asked_for():
    [newest] = days("2026-01-05")
    now = datetime(2026, 1, 6, 4, tzinfo=UTC)

    assert search_window(PeriodRange(newest, newest), now)[1] == now


@pytest.mark.skipif(not has_partitions(), reason="schedules with partitions came with Airflow 3.2")
@pytest.mark.parametrize("last", ["2026-03-01", "2026-03-03"], ids=["one day", "three days"])
@pytest.mark.parametrize("hour", [0, 11])
@pytest.mark.parametrize("zone", ["shanghai", "new_york", "utc"])
def test_a_backfill_of_partitions_has_the_runs_of_the_gap_and_no_others(metadata, zone, hour, last):
    stretch = PeriodRange(*days("2026-03-01", last))
    dag = found(f"partitions_{zone}_{hour}")
    window = search_window(stretch, datetime(2026, 4, 1, tzinfo=UTC))

    dates = dates_of_runs(DAILY, stretch, dag.runs_between(*window))

    begin, end = (pendulum.parse(text, tz="UTC") for text in (dates.begin, dates.end))
    periods = [
        periods_of_run(DAILY, moments, now=datetime(2026, 4, 1, tzinfo=UTC)).first
        for _, moments in dag.runs_between(begin, end)
    ]
    assert periods == list(stretch)


@pytest.mark.parametrize(
    ("form", "command"),
    [
        (
            AIRFLOW_2,
            "airflow dags backfill --start-date A --end-date B --reset-dagruns --yes 'a; rm -r {begin}'",
        ),
        (
            AIRFLOW_3,
            "airflow backfill create --dag-id 'a; rm -r {begin}' --from-date A --to-date B "
            "--reprocess-behavior completed",
        ),
    ],
    ids=["2", "3"],
)
def test_a_command_has_the_form_of_its_airflow_and_quotes_everything(form, command):
    assert form.command("a; rm -r {begin}", "A", "B") == command


def test_whatever_a_connection_says_stays_a_comment():
    day = days("2026-01-03")
    found = Findings(
        get_report("daily_visit_trend"), "a\nrm:b", "wx\r\nrm -r", PeriodRange(*day, *day), day, (), ()
    )

    assert [line for line in found.as_script().splitlines() if not line.startswith("# ")] == []
