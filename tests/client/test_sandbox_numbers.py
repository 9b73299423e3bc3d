"""The sandbox's numbers are plausible, agree with each other and are the same for everyone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_wechat.client.periods import Granularity, Period
from airflow_wechat.client.reports import REPORTS, Column, ColumnType
from airflow_wechat.sandbox.numbers import LAUNCH, entry_of
from client.sandboxed import DAILY

APP_IDS = st.text(min_size=1, max_size=20)
DAYS = st.dates(LAUNCH, date(2040, 12, 31))
LONGER = st.sampled_from([Granularity.WEEKLY, Granularity.MONTHLY])


def entry(app_id: str, period: Period) -> dict[str, Any]:
    found = entry_of(app_id, period, DAILY.fields)
    assert found
    return found


def daily(app_id: str, day: date) -> dict[str, Any]:
    return entry(app_id, Granularity.DAILY.period_of(day))


def days_of(app_id: str, period: Period) -> list[dict[str, Any]]:
    count = (period.end - period.start).days + 1
    days = (period.start + timedelta(days=number) for number in range(count))
    return [daily(app_id, day) for day in days if day >= LAUNCH]


@given(APP_IDS, DAYS, LONGER)
def test_opens_and_page_views_are_sums_of_days(app_id, day, granularity):
    period = granularity.period_of(day)

    whole, days = entry(app_id, period), days_of(app_id, period)

    for name in ("session_cnt", "visit_pv"):
        assert whole[name] == sum(row[name] for row in days)


@given(APP_IDS, DAYS, LONGER)
def test_visitors_and_new_users_are_counted_once_so_they_are_never_the_sum_of_days(app_id, day, granularity):
    period = granularity.period_of(day)

    whole, days = entry(app_id, period), days_of(app_id, period)

    for name in ("visit_uv", "visit_uv_new"):
        counts = [row[name] for row in days]
        assert max(counts) <= whole[name] < sum(counts)


@given(APP_IDS, DAYS, LONGER)
def test_visitors_who_come_back_are_counted_once_too(app_id, day, granularity):
    period = granularity.period_of(day)

    whole, *days = (
        row["visit_uv"] - row["visit_uv_new"] for row in (entry(app_id, period), *days_of(app_id, period))
    )

    assert max(days) <= whole < sum(days)


@given(APP_IDS, DAYS, st.sampled_from(Granularity))
def test_the_numbers_of_a_row_agree(app_id, day, granularity):
    row = entry(app_id, granularity.period_of(day))

    assert 0 < row["visit_uv_new"] <= row["visit_uv"] <= row["session_cnt"] <= row["visit_pv"]
    assert row["visit_depth"] == pytest.approx(row["visit_pv"] / row["session_cnt"], abs=1e-4)
    seconds = row["stay_time_session"] * row["session_cnt"]
    assert row["stay_time_uv"] == pytest.approx(seconds / row["visit_uv"], rel=1e-3)


@given(APP_IDS, DAYS, st.sampled_from(Granularity))
def test_numbers_have_four_decimals_at_most(app_id, day, granularity):
    row = entry(app_id, granularity.period_of(day))

    for field in DAILY.fields:
        value = row[field.name]
        assert value == round(value, 4)
        assert isinstance(value, int) or field.type is ColumnType.NUMBER


def test_a_whole_number_of_seconds_has_no_decimals_as_at_wechat():
    assert json.dumps(daily("wx1", date(2020, 6, 6))["stay_time_session"]) == "45"


def test_another_process_gets_the_same_numbers():
    day = date(2026, 11, 1)
    code = (
        "import json; from datetime import date; from airflow_wechat.sandbox.numbers import entry_of;"
        "from airflow_wechat.client.reports import REPORTS;"
        "report = REPORTS['daily_visit_trend'];"
        "period = report.granularity.period_of(date(2026, 11, 1));"
        "print(json.dumps(entry_of('wx1', period, report.fields)))"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert json.loads(told) == daily("wx1", day)


def test_numbers_stay_the_same_from_release_to_release():
    assert daily("wx0123456789abcdef", date(2026, 10, 13)) == {
        "ref_date": "20261013",
        "session_cnt": 23773,
        "visit_pv": 61115,
        "visit_uv": 11536,
        "visit_uv_new": 1210,
        "stay_time_uv": 92.9156,
        "stay_time_session": 45.0879,
        "visit_depth": 2.5708,
    }


def test_apps_and_days_differ():
    rows = [daily(app_id, date(2026, 11, day)) for app_id in ("wx1", "wx2") for day in range(1, 29)]

    assert len({row["visit_pv"] for row in rows}) == len(rows)


def test_an_app_grows_over_the_years():
    years = [
        sum(daily("wx1", date(year, 3, day))["visit_uv"] for day in range(1, 29))
        for year in range(2018, 2030)
    ]

    assert years == sorted(years)


def test_weekends_are_busier_than_the_days_between():
    monday = date(2026, 3, 2)
    by_weekday = [
        sum(daily("wx1", monday + timedelta(days=weekday + 7 * week))["visit_uv"] for week in range(8))
        for weekday in range(7)
    ]

    assert min(by_weekday[5:]) > max(by_weekday[:4])


def test_the_national_holiday_is_busy_and_the_eve_of_spring_festival_quiet():
    def visitors(day: date) -> int:
        return daily("wx1", day)["visit_uv"]

    assert visitors(date(2026, 10, 5)) > 1.2 * visitors(date(2026, 10, 12))
    assert visitors(date(2026, 2, 16)) < 0.9 * visitors(date(2026, 2, 9))


@pytest.mark.parametrize("granularity", Granularity)
def test_there_is_nothing_before_mini_programs_and_something_from_their_first_day_on(granularity):
    first = granularity.period_of(LAUNCH)

    assert entry_of("wx1", first.earlier(1), DAILY.fields) is None
    assert entry("wx1", first)["visit_uv"] > 0


def test_a_month_that_began_before_mini_programs_counts_the_days_since():
    january = Granularity.MONTHLY.period_of(LAUNCH)

    assert entry("wx1", january)["visit_pv"] == sum(row["visit_pv"] for row in days_of("wx1", january))
    assert len(days_of("wx1", january)) == 23


@pytest.mark.parametrize("name", REPORTS)
def test_every_field_of_every_report_gets_its_number(name):
    report = REPORTS[name]

    row = entry_of("wx1", report.granularity.period_of(date(2026, 3, 2)), report.fields)

    assert row
    assert list(row) == ["ref_date", *(field.name for field in report.fields)]


def test_a_field_that_is_not_known_yet_gets_a_number_of_its_type():
    fields = (Column("share_pv", ColumnType.INTEGER, ""), Column("share_rate", ColumnType.NUMBER, ""))

    row = entry_of("wx1", Granularity.DAILY.period_of(date(2026, 3, 2)), fields)

    assert row
    assert isinstance(row["share_pv"], int)
    assert isinstance(row["share_rate"], float)
