"""The timetable, asked as Airflow's scheduler and backfills ask it."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta, timezone

import pendulum
import pytest
from airflow.timetables.base import DataInterval, TimeRestriction
from hypothesis import given
from hypothesis import strategies as st

from airflow_wechat.timetables import ReportTimetable

BEIJING = timezone(timedelta(hours=8))
READY_AFTER = timedelta(hours=10, minutes=30)

days = st.dates(date(2017, 1, 9), date(2035, 12, 31))
granularities = st.sampled_from(["daily", "weekly", "monthly"])


def beijing(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING)


def restriction(earliest=None, latest=None, *, catchup=True) -> TimeRestriction:
    return TimeRestriction(
        pendulum.instance(earliest) if earliest else None,
        pendulum.instance(latest) if latest else None,
        catchup,
    )


def scheduled(timetable, last=None, **limits):
    """Ask as the scheduler does."""
    return timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction(**limits))


def iter_dagrun_infos_between(timetable, earliest, latest):
    """Ask as Airflow's method of this name does for a backfill."""
    last = None
    while info := timetable.next_dagrun_info(
        last_automated_data_interval=last, restriction=restriction(earliest, latest)
    ):
        yield info
        last = info.data_interval


def covered_days(info) -> set[date]:
    start = info.data_interval.start.astimezone(BEIJING)
    end = info.data_interval.end.astimezone(BEIJING)
    assert start.time() == end.time() == datetime.min.time()
    return {start.date() + timedelta(n) for n in range((end - start).days)}


def days_of_period(granularity: str, day: date) -> set[date]:
    """The standard library's answer."""
    if granularity == "daily":
        return {day}
    if granularity == "weekly":
        year, week, _ = day.isocalendar()
        return {date.fromisocalendar(year, week, weekday) for weekday in range(1, 8)}
    _, length = calendar.monthrange(day.year, day.month)
    return {day.replace(day=n) for n in range(1, length + 1)}


@given(granularities, days)
def test_a_scheduled_run_covers_exactly_the_period_after_the_last_one(granularity, day):
    timetable = ReportTimetable(granularity)
    last = timetable.infer_manual_data_interval(run_after=pendulum.instance(beijing(day)))

    info = scheduled(timetable, last, earliest=datetime(2016, 1, 1, tzinfo=UTC))

    assert covered_days(info) == days_of_period(granularity, day)


@pytest.mark.parametrize("hour", [1, 8, 10, 23])
def test_after_runs_by_a_cron_it_goes_on_with_the_period_after_theirs(hour):
    """A run by plain cron at 10 March stood for 9 March, the latest day complete at its moment."""
    moment = pendulum.instance(beijing(date(2026, 3, 10)) + timedelta(hours=hour))

    info = scheduled(ReportTimetable("daily"), DataInterval.exact(moment))

    assert covered_days(info) == {date(2026, 3, 10)}


@pytest.mark.parametrize("granularity", ["daily", "weekly", "monthly"])
def test_it_never_names_a_run_that_exists_already(granularity):
    """Airflow takes a run of the same logical date for the one it has, and would wait for ever."""
    midnight = pendulum.instance(beijing(date(2026, 3, 10)))

    info = scheduled(ReportTimetable(granularity), DataInterval.exact(midnight))

    assert info.logical_date > midnight


@given(granularities, days)
def test_a_run_comes_ready_after_its_period_has_ended_in_beijing(granularity, day):
    timetable = ReportTimetable(granularity, ready_after=timedelta(hours=12))

    info = scheduled(timetable, earliest=beijing(day))

    assert info.run_after == info.data_interval.end + timedelta(hours=12)
    assert info.data_interval.end == beijing(max(covered_days(info)) + timedelta(days=1))


@given(granularities, st.datetimes(datetime(2017, 1, 9), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_no_scheduled_run_comes_before_the_start_date(granularity, start_date):
    """Its tasks would be left out, and the run would succeed with nothing landed."""
    info = scheduled(ReportTimetable(granularity), earliest=start_date)

    assert info.data_interval.start >= start_date
    assert info.data_interval.start - start_date < timedelta(days=31)


def test_a_mid_week_start_date_with_an_end_date_is_no_backfill():
    info = scheduled(
        ReportTimetable("weekly"),
        earliest=datetime(2026, 3, 4, tzinfo=UTC),  # a Wednesday
        latest=datetime(2026, 4, 1, tzinfo=UTC),
    )

    assert info.data_interval.start == datetime(2026, 3, 9, tzinfo=BEIJING)


@given(granularities, days, st.integers(0, 70))
def test_a_backfill_of_plain_dates_covers_every_period_with_a_day_in_the_range(granularity, first, length):
    last = first + timedelta(days=length)
    plain = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last)]

    infos = list(iter_dagrun_infos_between(ReportTimetable(granularity), *plain))

    wanted = {frozenset(days_of_period(granularity, first + timedelta(days=n))) for n in range(length + 1)}
    assert sorted(map(sorted, wanted)) == [sorted(covered_days(info)) for info in infos]


@given(granularities, days, st.integers(0, 70))
def test_a_backfill_of_beijing_midnights_covers_the_same(granularity, first, length):
    last = first + timedelta(days=length)

    infos = list(iter_dagrun_infos_between(ReportTimetable(granularity), beijing(first), beijing(last)))

    assert min(covered_days(infos[0])) == min(days_of_period(granularity, first))
    assert max(covered_days(infos[-1])) == max(days_of_period(granularity, last))


@given(granularities, st.datetimes(datetime(2017, 3, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_manual_run_stands_for_the_latest_period_that_is_over(granularity, moment):
    interval = ReportTimetable(granularity).infer_manual_data_interval(run_after=pendulum.instance(moment))

    assert interval.end <= moment
    assert days_of_period(granularity, moment.astimezone(BEIJING).date()) >= {
        interval.end.astimezone(BEIJING).date()
    }


@pytest.mark.parametrize("granularity", ["daily", "weekly", "monthly"])
def test_without_catchup_the_first_run_is_the_newest_that_is_due(granularity):
    timetable = ReportTimetable(granularity)
    now = datetime.now(UTC)

    info = scheduled(timetable, earliest=datetime(2017, 1, 9, tzinfo=UTC), catchup=False)

    following = scheduled(timetable, info.data_interval, catchup=True)
    assert info.run_after <= now + timedelta(seconds=5)
    assert following.run_after > now


def test_without_catchup_runs_that_were_missed_are_skipped():
    timetable = ReportTimetable("daily")
    long_ago = DataInterval(*map(pendulum.instance, (beijing(date(2020, 1, 1)), beijing(date(2020, 1, 2)))))

    info = scheduled(timetable, long_ago, earliest=datetime(2017, 1, 9, tzinfo=UTC), catchup=False)

    assert datetime.now(UTC) - info.data_interval.end < timedelta(days=2)


def test_without_catchup_and_start_date_there_is_a_first_run():
    assert scheduled(ReportTimetable("daily"), catchup=False)


def test_with_catchup_and_no_start_date_there_is_nothing_to_catch_up():
    assert scheduled(ReportTimetable("daily")) is None


def test_no_run_begins_after_the_end_date():
    assert (
        scheduled(
            ReportTimetable("daily"),
            DataInterval(*map(pendulum.instance, (beijing(date(2026, 1, 31)), beijing(date(2026, 2, 1))))),
            latest=beijing(date(2026, 1, 31)),
        )
        is None
    )


@pytest.mark.parametrize("granularity", ["daily", "weekly", "monthly"])
def test_it_survives_being_stored(granularity):
    timetable = ReportTimetable(granularity, ready_after=timedelta(hours=3, seconds=7))

    again = ReportTimetable.deserialize(timetable.serialize())

    assert again == timetable
    assert hash(again) == hash(timetable)
    assert again != ReportTimetable(granularity)


@pytest.mark.parametrize("granularity", ["hourly", "", None, "DAILY"])
def test_an_unknown_granularity_is_refused_with_what_is_allowed(granularity):
    with pytest.raises(ValueError, match="allowed are daily, weekly, monthly"):
        ReportTimetable(granularity)


@pytest.mark.parametrize("ready_after", [timedelta(seconds=-1), 3600, None])
def test_a_ready_after_that_is_no_wait_is_refused(ready_after):
    with pytest.raises(ValueError, match="ready_after"):
        ReportTimetable("daily", ready_after=ready_after)


def test_the_ui_shows_what_it_is():
    timetable = ReportTimetable("weekly", READY_AFTER)

    assert timetable.summary == "WeChat weekly"
    assert timetable.description == "Each week in Beijing, 10:30:00 after its end"
