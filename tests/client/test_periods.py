from __future__ import annotations

import calendar
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_wechat.client.periods import (
    Granularity,
    Period,
    PeriodRange,
    RunMoments,
    beijing_day,
    latest_complete,
    parse_day,
    periods_between,
    periods_of_run,
    stretches_of,
)
from fuzzing import any_text, expect_ours, fuzzed, json_values

DAILY, WEEKLY, MONTHLY = Granularity.DAILY, Granularity.WEEKLY, Granularity.MONTHLY
DAY = timedelta(days=1)
PLUS_EIGHT = timezone(timedelta(hours=8))  # Beijing without a time zone database; right since 1992
NOW = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)  # a Wednesday, 12:00 in Beijing

granularities = st.sampled_from(Granularity)
days = st.dates(date(1995, 1, 1), date(2120, 12, 31))
moments = st.datetimes(
    datetime(1995, 1, 1),  # noqa: DTZ001
    datetime(2120, 12, 31),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, PLUS_EIGHT]),
)


def expected_ends(granularity: Granularity, day: date) -> tuple[date, date]:
    """What the standard library's calendar says."""
    if granularity is WEEKLY:
        year, week, _ = day.isocalendar()
        return date.fromisocalendar(year, week, 1), date.fromisocalendar(year, week, 7)
    if granularity is MONTHLY:
        return day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return day, day


def ask(granularity: Granularity = DAILY, run: RunMoments | None = None, **arguments: Any) -> PeriodRange:
    return periods_of_run(granularity, run or RunMoments(), **{"now": NOW, **arguments})


def ends(periods: PeriodRange) -> tuple[date, date]:
    return periods.first.start, periods.last.end


# Periods and the calendar


@given(granularities, days)
def test_a_period_has_the_ends_the_calendar_gives_it(granularity: Granularity, day: date) -> None:
    period = granularity.period_of(day)

    assert (period.start, period.end) == expected_ends(granularity, day)


@pytest.mark.parametrize(
    ("granularity", "day", "start", "end"),
    [
        (MONTHLY, date(2024, 2, 10), date(2024, 2, 1), date(2024, 2, 29)),
        (MONTHLY, date(2026, 2, 28), date(2026, 2, 1), date(2026, 2, 28)),
        (MONTHLY, date(2000, 2, 29), date(2000, 2, 1), date(2000, 2, 29)),
        (MONTHLY, date(2100, 2, 3), date(2100, 2, 1), date(2100, 2, 28)),
        (MONTHLY, date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
        (WEEKLY, date(2026, 1, 1), date(2025, 12, 29), date(2026, 1, 4)),
        (WEEKLY, date(2027, 1, 3), date(2026, 12, 28), date(2027, 1, 3)),
        (WEEKLY, date(2024, 2, 29), date(2024, 2, 26), date(2024, 3, 3)),
        (DAILY, date(2024, 2, 29), date(2024, 2, 29), date(2024, 2, 29)),
    ],
)
def test_leap_days_and_year_turns_fall_into_the_right_period(
    granularity: Granularity, day: date, start: date, end: date
) -> None:
    assert granularity.period_of(day) == Period(granularity, start, end)


@pytest.mark.parametrize("granularity", Granularity)
def test_every_day_of_three_years_lies_in_exactly_the_period_that_claims_it(granularity: Granularity) -> None:
    day = date(2023, 12, 31)

    while day < date(2027, 1, 2):
        period = granularity.period_of(day)
        assert period.start <= day <= period.end
        assert granularity.period_of(period.start) == granularity.period_of(period.end) == period
        day += DAY


@given(granularities, days)
def test_periods_tile_time_without_gap_or_overlap(granularity: Granularity, day: date) -> None:
    period = granularity.period_of(day)

    assert period.next.start == period.end + DAY
    assert period.next.begins_at == period.ends_at
    assert period.next.earlier(1) == period


@given(granularities, days)
def test_a_period_begins_and_ends_at_midnight_in_beijing(granularity: Granularity, day: date) -> None:
    period = granularity.period_of(day)
    start, end = expected_ends(granularity, day)

    assert period.begins_at == datetime(start.year, start.month, start.day, tzinfo=PLUS_EIGHT)
    after = end + DAY
    assert period.ends_at == datetime(after.year, after.month, after.day, tzinfo=PLUS_EIGHT)


@pytest.mark.parametrize(
    ("granularity", "day", "ref_date"),
    [
        (DAILY, date(2017, 3, 13), "20170313"),
        (WEEKLY, date(2017, 3, 8), "20170306-20170312"),
        (WEEKLY, date(2027, 1, 1), "20261228-20270103"),
        (MONTHLY, date(2017, 3, 31), "201703"),
        (MONTHLY, date(2026, 12, 1), "202612"),
    ],
)
def test_the_ref_date_is_written_as_wechat_writes_it(
    granularity: Granularity, day: date, ref_date: str
) -> None:
    assert granularity.period_of(day).ref_date == ref_date


@given(granularities, days, st.integers(0, 60))
def test_earlier_steps_back_that_many_periods(granularity: Granularity, day: date, count: int) -> None:
    period = granularity.period_of(day)

    before = period.earlier(count)

    assert len(list(PeriodRange(before, period))) == count + 1


@pytest.mark.parametrize(
    ("period", "text"),
    [
        (DAILY.period_of(date(2026, 3, 1)), "2026-03-01"),
        (WEEKLY.period_of(date(2026, 3, 1)), "2026-02-23..2026-03-01"),
    ],
)
def test_a_period_reads_as_its_day_or_its_two_ends(period: Period, text: str) -> None:
    assert str(period) == text


@pytest.mark.parametrize(("granularity", "noun"), [(DAILY, "day"), (WEEKLY, "week"), (MONTHLY, "month")])
def test_a_granularity_knows_what_its_period_is_called(granularity: Granularity, noun: str) -> None:
    assert granularity.noun == noun


def test_a_period_survives_pickling() -> None:
    period = WEEKLY.period_of(date(2026, 3, 1))

    assert pickle.loads(pickle.dumps(period)) == period


# Ranges


@given(granularities, days, st.integers(0, 120))
def test_a_range_holds_every_period_with_a_day_in_it_once_and_in_order(
    granularity: Granularity, begin: date, length: int
) -> None:
    expected = list(
        dict.fromkeys(expected_ends(granularity, begin + count * DAY) for count in range(length + 1))
    )

    periods = periods_between(granularity, begin, begin + length * DAY)

    assert [(period.start, period.end) for period in periods] == expected


def test_a_range_can_be_gone_through_twice() -> None:
    periods = periods_between(DAILY, date(2026, 1, 1), date(2026, 1, 3))

    assert list(periods) == list(periods)
    assert len(list(periods)) == 3


def test_an_end_before_the_begin_is_refused_with_both_dates() -> None:
    with pytest.raises(ValueError, match=r"end_date 2026-01-01 lies before begin_date 2026-01-02"):
        periods_between(MONTHLY, date(2026, 1, 2), date(2026, 1, 1))


# Beijing


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 17, 15, 59, 59, 999999, tzinfo=UTC), date(2026, 3, 17)),
        (datetime(2026, 3, 17, 16, 0, 0, tzinfo=UTC), date(2026, 3, 18)),
        (datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC), date(2025, 12, 31)),
        (datetime(2025, 12, 31, 16, 0, 0, tzinfo=UTC), date(2026, 1, 1)),
        (datetime(2026, 3, 17, 23, 0, tzinfo=timezone(timedelta(hours=-8))), date(2026, 3, 18)),
        (datetime(2026, 3, 18, 0, 0, tzinfo=PLUS_EIGHT), date(2026, 3, 18)),
        (pendulum.datetime(2026, 3, 17, 16, tz="UTC"), date(2026, 3, 18)),
    ],
)
def test_a_day_turns_at_midnight_in_beijing(moment: datetime, day: date) -> None:
    assert beijing_day(moment) == day


@given(moments)
def test_the_day_in_beijing_is_the_day_eight_hours_ahead_of_utc(moment: datetime) -> None:
    assert beijing_day(moment) == (moment.astimezone(UTC).replace(tzinfo=None) + timedelta(hours=8)).date()


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        beijing_day(datetime(2026, 3, 18, 1, 0))  # noqa: DTZ001


@given(granularities, moments)
def test_the_latest_complete_period_is_the_last_whose_days_are_all_over(
    granularity: Granularity, moment: datetime
) -> None:
    today = moment.astimezone(PLUS_EIGHT).date()
    day = today
    while expected_ends(granularity, day)[1] >= today:
        day -= DAY

    period = latest_complete(granularity, moment)

    assert (period.start, period.end) == expected_ends(granularity, day)


@pytest.mark.parametrize(
    ("granularity", "moment", "last_day"),
    [
        (DAILY, datetime(2026, 3, 17, 15, 59, 59, tzinfo=UTC), date(2026, 3, 16)),
        (DAILY, datetime(2026, 3, 17, 16, 0, 0, tzinfo=UTC), date(2026, 3, 17)),
        (WEEKLY, datetime(2026, 3, 15, 15, 59, 59, tzinfo=UTC), date(2026, 3, 8)),
        (WEEKLY, datetime(2026, 3, 15, 16, 0, 0, tzinfo=UTC), date(2026, 3, 15)),
        (MONTHLY, datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC), date(2026, 2, 28)),
        (MONTHLY, datetime(2026, 3, 31, 16, 0, 0, tzinfo=UTC), date(2026, 3, 31)),
    ],
)
def test_a_period_is_over_from_beijings_midnight_on(
    granularity: Granularity, moment: datetime, last_day: date
) -> None:
    assert latest_complete(granularity, moment).end == last_day


# Which period a run stands for: the order of what decides

EVERYTHING = RunMoments(
    partition_date=datetime(2026, 3, 9, 16, tzinfo=UTC),  # the 10th in Beijing
    partition_key="2026-03-08",
    data_interval_end=datetime(2026, 3, 6, 16, tzinfo=UTC),  # the 6th is over
    run_after=datetime(2026, 3, 4, 16, tzinfo=UTC),  # the 4th is over
)


@pytest.mark.parametrize(
    ("run", "arguments", "day"),
    [
        (EVERYTHING, {"begin_date": "2026-03-12", "end_date": "2026-03-12"}, date(2026, 3, 12)),
        (EVERYTHING, {"begin_date": "2026-03-12"}, date(2026, 3, 12)),
        (EVERYTHING, {"end_date": "2026-03-12"}, date(2026, 3, 12)),
        (EVERYTHING, {}, date(2026, 3, 10)),
        (
            RunMoments(None, "2026-03-08", EVERYTHING.data_interval_end, EVERYTHING.run_after),
            {},
            date(2026, 3, 8),
        ),
        (RunMoments(None, None, EVERYTHING.data_interval_end, EVERYTHING.run_after), {}, date(2026, 3, 6)),
        (RunMoments(None, "", EVERYTHING.data_interval_end, EVERYTHING.run_after), {}, date(2026, 3, 6)),
        (RunMoments(run_after=EVERYTHING.run_after), {}, date(2026, 3, 4)),
    ],
    ids=[
        "both dates",
        "begin",
        "end",
        "partition date",
        "partition key",
        "interval",
        "blank key",
        "run after",
    ],
)
def test_dates_go_before_partition_before_interval_before_run_after(
    run: RunMoments, arguments: dict[str, str], day: date
) -> None:
    assert ends(ask(DAILY, run, **arguments)) == (day, day)


def test_a_run_that_says_nothing_is_refused_and_told_what_to_give() -> None:
    with pytest.raises(
        ValueError, match=r"^the run carries neither partition, data interval nor run_after: give begin_date$"
    ):
        ask()


# Dates given


@pytest.mark.parametrize(
    ("granularity", "first", "last"),
    [
        (DAILY, date(2026, 1, 31), date(2026, 2, 2)),
        (WEEKLY, date(2026, 1, 26), date(2026, 2, 8)),
        (MONTHLY, date(2026, 1, 1), date(2026, 2, 28)),
    ],
)
def test_two_dates_mean_every_period_with_a_day_between_them(
    granularity: Granularity, first: date, last: date
) -> None:
    assert ends(ask(granularity, begin_date="2026-01-31", end_date="20260202")) == (first, last)


@pytest.mark.parametrize("name", ["begin_date", "end_date"])
@pytest.mark.parametrize("blank", [None, "", "  \n"])
@pytest.mark.parametrize("granularity", Granularity)
def test_one_date_alone_means_the_period_that_holds_it(
    granularity: Granularity, name: str, blank: str | None
) -> None:
    other = "end_date" if name == "begin_date" else "begin_date"

    periods = ask(granularity, **{name: "2026-02-11", other: blank})

    assert ends(periods) == expected_ends(granularity, date(2026, 2, 11))


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_blank_dates_leave_the_run_its_own_period(blank: str) -> None:
    assert ask(DAILY, EVERYTHING, begin_date=blank, end_date=blank) == ask(DAILY, EVERYTHING)


def test_given_dates_with_the_end_first_are_refused() -> None:
    with pytest.raises(ValueError, match="end_date 2026-02-01 lies before begin_date 2026-02-02"):
        ask(MONTHLY, begin_date="2026-02-02", end_date="2026-02-01")


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-02-28", date(2026, 2, 28)),
        ("20260228", date(2026, 2, 28)),
        (" 2026-02-28\n", date(2026, 2, 28)),
        ("2024-02-29", date(2024, 2, 29)),
        (date(2026, 2, 28), date(2026, 2, 28)),
        (pendulum.date(2026, 2, 28), date(2026, 2, 28)),
        (20260228, date(2026, 2, 28)),  # as native templates make of the text
        (datetime(2026, 2, 27, 16, tzinfo=UTC), date(2026, 2, 28)),
        (datetime(2026, 2, 27, 15, 59, 59, tzinfo=UTC), date(2026, 2, 27)),
        (pendulum.datetime(2026, 2, 28, tz="Asia/Shanghai"), date(2026, 2, 28)),
        (None, None),
        ("", None),
        ("   ", None),
    ],
)
def test_a_date_is_read_from_text_date_or_datetime(value: Any, day: date | None) -> None:
    assert parse_day("begin_date", value) == day


UNREADABLE_DATES = [
    "2026/02/01",
    "2026.02.01",
    "2026-2-1",
    "2026-02",
    "202602",
    "2026-0201",
    "202602-01",
    "-20260201",
    "+20260201",
    "2026-02-01T00:00:00",
    "2026-02-01 00:00",
    "2026-W05-1",
    "2026W051",
    "2026-032",
    "12026-02-01",
    "26-02-01",
    "02-01-2026",
    "2026\u201302\u201301",
    "\uff12\uff10\uff12\uff16\uff10\uff12\uff10\uff11",
    "\u0662\u0660\u0662\u0666-\u0660\u0662-\u0660\u0661",
    "2026年02月01日",
    "2026-02-01; DROP TABLE x",
    "yesterday",
    "None",
    "{{ ds }}",
    "0",
]


@pytest.mark.parametrize("text", UNREADABLE_DATES)
def test_text_in_another_form_is_refused_with_the_allowed_forms(text: str) -> None:
    with pytest.raises(ValueError, match="give YYYY-MM-DD or YYYYMMDD") as caught:
        ask(begin_date=text)

    assert f"begin_date={text!r} is no date" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["2026-02-30", "20260230", "2026-13-01", "2026-00-10", "2026-01-00", "0000-01-01", "2025-02-29"]
)
def test_a_day_the_calendar_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"end_date=.* is no day of the calendar: give YYYY-MM-DD or YYYYMMDD"
    ):
        ask(end_date=text)


@pytest.mark.parametrize("value", [2026.0201, True, False, b"2026-02-01", ["2026-02-01"], {}, 0])
def test_a_value_that_is_neither_text_nor_day_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="give YYYY-MM-DD or YYYYMMDD"):
        parse_day("begin_date", value)


def test_a_datetime_without_a_time_zone_is_refused_as_a_date() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        ask(begin_date=datetime(2026, 2, 1))  # noqa: DTZ001


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.binary()))
def test_any_value_gives_a_day_or_nothing_or_a_value_error(value: Any) -> None:
    try:
        day = parse_day("begin_date", value)
    except ValueError:
        return

    assert day is None or type(day) is date


# What is not over yet


@pytest.mark.parametrize("name", ["begin_date", "end_date"])
@pytest.mark.parametrize(
    ("granularity", "refused", "last_allowed"),
    [
        (DAILY, "2026-03-18", "2026-03-17"),
        (WEEKLY, "2026-03-16", "2026-03-15"),
        (WEEKLY, "2026-03-22", "2026-03-15"),
        (MONTHLY, "2026-03-01", "2026-02-28"),
        (MONTHLY, "2026-03-31", "2026-02-28"),
        (DAILY, "2999-12-31", "2026-03-17"),
        (DAILY, "9999-12-31", "2026-03-17"),
    ],
)
def test_a_date_in_an_unfinished_period_is_refused_with_the_last_allowed_date(
    granularity: Granularity, refused: str, last_allowed: str, name: str
) -> None:
    with pytest.raises(ValueError, match=f"the last allowed date is {last_allowed}$") as caught:
        ask(granularity, **{name: refused})

    assert str(caught.value).startswith(
        f"{refused} lies in a {granularity.noun} that is not over yet in Beijing"
    )


@pytest.mark.parametrize(
    ("granularity", "last_allowed"), [(DAILY, "2026-03-17"), (WEEKLY, "2026-03-15"), (MONTHLY, "2026-02-28")]
)
def test_the_last_allowed_date_is_allowed(granularity: Granularity, last_allowed: str) -> None:
    assert ends(ask(granularity, begin_date=last_allowed))[1] == date.fromisoformat(last_allowed)


def test_a_day_is_refused_until_its_midnight_in_beijing() -> None:
    with pytest.raises(ValueError, match="the last allowed date is 2026-03-16"):
        ask(begin_date="2026-03-17", now=datetime(2026, 3, 17, 15, 59, 59, tzinfo=UTC))


def test_a_day_is_allowed_from_its_midnight_in_beijing_on() -> None:
    periods = ask(begin_date="2026-03-17", now=datetime(2026, 3, 17, 16, 0, 0, tzinfo=UTC))

    assert ends(periods) == (date(2026, 3, 17), date(2026, 3, 17))


def test_a_range_that_reaches_into_an_unfinished_period_is_refused_whole() -> None:
    with pytest.raises(ValueError, match="2026-03-02 lies in a month that is not over yet"):
        ask(MONTHLY, begin_date="2026-01-01", end_date="2026-03-02")


@pytest.mark.parametrize(
    ("granularity", "key", "last_allowed"),
    [
        (DAILY, "2026-03-18", "2026-03-17"),
        (WEEKLY, "2026-03-16 (W12)", "2026-03-15"),
        (MONTHLY, "2026-03", "2026-02-28"),
    ],
)
def test_an_unfinished_partition_is_refused_with_the_usual_cure(
    granularity: Granularity, key: str, last_allowed: str
) -> None:
    with pytest.raises(ValueError, match=f"the last allowed date is {last_allowed}; .*run_offset=-1"):
        ask(granularity, RunMoments(partition_key=key))


def test_an_unfinished_partition_date_is_refused_with_the_usual_cure() -> None:
    run = RunMoments(partition_date=datetime(2026, 3, 17, 16, tzinfo=UTC))

    with pytest.raises(ValueError, match=r"2026-03-18 lies in a day that is not over yet.*run_offset=-1"):
        ask(DAILY, run)


def test_a_present_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        ask(begin_date="2026-01-01", now=datetime(2026, 3, 18))  # noqa: DTZ001


# Partitions


@pytest.mark.parametrize(
    ("key", "day"),
    [
        ("2026-02-11T00:00:00", date(2026, 2, 11)),
        ("2026-02-11T23:59:59", date(2026, 2, 11)),
        ("2026-02-11", date(2026, 2, 11)),
        ("20260211", date(2026, 2, 11)),
        ("20251101", date(2025, 11, 1)),
    ],
)
@pytest.mark.parametrize("granularity", Granularity)
def test_each_form_of_partition_key_names_its_period(granularity: Granularity, key: str, day: date) -> None:
    assert ends(ask(granularity, RunMoments(partition_key=key))) == expected_ends(granularity, day)


@pytest.mark.parametrize(
    ("granularity", "key", "day"),
    [
        (WEEKLY, "2026-02-09 (W07)", date(2026, 2, 9)),
        (WEEKLY, "2025-12-29 (W01)", date(2025, 12, 29)),
        (MONTHLY, "2026-02", date(2026, 2, 1)),
        (MONTHLY, "202602", date(2026, 2, 1)),
        (MONTHLY, "202511", date(2025, 11, 1)),  # never 2025-01-01
        (MONTHLY, "202512", date(2025, 12, 1)),  # never 2025-01-02
    ],
)
def test_a_weeks_or_months_own_key_names_it(granularity: Granularity, key: str, day: date) -> None:
    assert ends(ask(granularity, RunMoments(partition_key=key))) == expected_ends(granularity, day)


@pytest.mark.parametrize(
    ("granularity", "key"),
    [
        (DAILY, "2026-02"),  # a month is no day: never its first alone
        (DAILY, "202602"),
        (DAILY, "2026-02-09 (W07)"),  # nor is a week, never its Monday alone
        (WEEKLY, "2026-02"),
        (WEEKLY, "202602"),
        (MONTHLY, "2026-02-09 (W07)"),
        (WEEKLY, "2026-02-09 (W08)"),
        (WEEKLY, "2026-02-09 (W99)"),
        (DAILY, "2026-01-05T24:00:00"),
        (DAILY, "2026-01-05T99:99:99"),
    ],
)
def test_a_key_of_another_length_of_period_is_refused(granularity: Granularity, key: str) -> None:
    with pytest.raises(ValueError, match=f"names no {granularity.noun}: allowed are") as caught:
        ask(granularity, RunMoments(partition_key=key, run_after=NOW))

    assert repr(key) in str(caught.value)


@given(days.filter(lambda day: day < date(2026, 3, 1)))
@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y%m%d"])
def test_a_key_written_with_a_days_form_is_read_back_as_that_day(form: str, day: date) -> None:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001

    assert ends(ask(DAILY, RunMoments(partition_key=midnight.strftime(form)))) == (day, day)


@given(days.filter(lambda day: day < date(2026, 3, 1)))
@pytest.mark.parametrize("form", ["%Y-%m", "%Y%m"])
def test_a_key_written_with_a_months_form_is_read_back_as_that_month(form: str, day: date) -> None:
    assert ends(ask(MONTHLY, RunMoments(partition_key=day.strftime(form)))) == expected_ends(MONTHLY, day)


@pytest.mark.parametrize(
    "key",
    [
        "shop-a",
        " ",
        "2026",
        "2026-Q1",
        "2026-W05",
        "2026-13",
        "202613",
        "202600",
        "2026-02-30",
        "20260230",
        "2026-2-1",
        "2026021",
        "2026-02-11T00:00",
        "2026-02-11T00:00:00Z",
        "2026-02-11T00:00:00+08:00",
        "2026-02-11 00:00:00",
        "2026-02-11 (W7)",
        "2026-02-11|cn",
        "2026-0211",
        "202602-11",
        "2026-02-11\n",
        "0000-01",
        "\u0662\u0660\u0662\u0666-\u0660\u0662",
    ],
)
def test_a_partition_key_that_names_no_day_is_refused_with_the_allowed_forms(key: str) -> None:
    with pytest.raises(ValueError, match=r"names no month: allowed are .*202601") as caught:
        ask(MONTHLY, RunMoments(partition_key=key, run_after=NOW))

    assert repr(key) in str(caught.value)


def test_a_partition_date_counts_by_its_day_in_beijing() -> None:
    run = RunMoments(partition_date=datetime(2026, 1, 31, 16, tzinfo=UTC), partition_key="anything")

    assert ends(ask(MONTHLY, run)) == (date(2026, 2, 1), date(2026, 2, 28))


# Intervals and run_after


@pytest.mark.parametrize(
    ("granularity", "end", "first", "last"),
    [
        # a timetable whose interval is the period itself
        (DAILY, datetime(2026, 3, 10, 16, tzinfo=UTC), date(2026, 3, 10), date(2026, 3, 10)),
        (WEEKLY, datetime(2026, 3, 15, 16, tzinfo=UTC), date(2026, 3, 9), date(2026, 3, 15)),
        (MONTHLY, datetime(2026, 2, 28, 16, tzinfo=UTC), date(2026, 2, 1), date(2026, 2, 28)),
        # cron at 11:00 in Beijing, with an interval of no length
        (DAILY, datetime(2026, 3, 11, 3, tzinfo=UTC), date(2026, 3, 10), date(2026, 3, 10)),
        (WEEKLY, datetime(2026, 3, 16, 3, tzinfo=UTC), date(2026, 3, 9), date(2026, 3, 15)),
        (MONTHLY, datetime(2026, 3, 1, 3, tzinfo=UTC), date(2026, 2, 1), date(2026, 2, 28)),
        # @daily at midnight UTC, 8:00 in Beijing
        (DAILY, datetime(2026, 3, 11, 0, tzinfo=UTC), date(2026, 3, 10), date(2026, 3, 10)),
    ],
)
def test_an_interval_stands_for_the_latest_period_complete_at_its_end(
    granularity: Granularity, end: datetime, first: date, last: date
) -> None:
    assert ends(ask(granularity, RunMoments(data_interval_end=end, run_after=NOW))) == (first, last)


@given(granularities, moments, st.one_of(st.none(), moments))
def test_interval_end_and_run_after_mean_the_same_moment_rule(
    granularity: Granularity, end: datetime, run_after: datetime | None
) -> None:
    by_interval = ask(granularity, RunMoments(data_interval_end=end, run_after=run_after), now=end)

    assert by_interval == ask(granularity, RunMoments(run_after=end), now=end)


@given(granularities, moments, moments, moments)
def test_the_present_moment_never_moves_a_run(
    granularity: Granularity, moment: datetime, now: datetime, later: datetime
) -> None:
    now, later = (max(moment, present) for present in (now, later))

    for run in (RunMoments(data_interval_end=moment), RunMoments(run_after=moment)):
        assert ask(granularity, run, now=now) == ask(granularity, run, now=later)


@pytest.mark.parametrize("moment", ["data_interval_end", "run_after"])
def test_a_run_of_the_future_is_refused_with_the_last_allowed_date(moment: str) -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)

    with pytest.raises(ValueError, match=r"not over yet in Beijing; the last allowed date is 2026-03-09"):
        ask(DAILY, RunMoments(**{moment: now + timedelta(days=1)}), now=now)


def test_who_is_refused_a_run_of_the_future_is_told_to_set_the_clock() -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)

    with pytest.raises(
        ValueError, match=r"2026-03-09; if it is over, set this machine's clock, best by NTP$"
    ):
        ask(DAILY, RunMoments(run_after=now + timedelta(days=1)), now=now)


def test_a_clock_that_is_minutes_behind_the_schedulers_refuses_nothing() -> None:
    midnight = datetime(2026, 3, 9, 16, tzinfo=UTC)

    periods = ask(DAILY, RunMoments(data_interval_end=midnight), now=midnight - timedelta(minutes=4))

    assert periods.last.start == date(2026, 3, 9)


@pytest.mark.parametrize(
    "run",
    [
        RunMoments(partition_date=datetime(2026, 3, 1)),  # noqa: DTZ001
        RunMoments(data_interval_end=datetime(2026, 3, 1)),  # noqa: DTZ001
        RunMoments(run_after=datetime(2026, 3, 1)),  # noqa: DTZ001
    ],
)
def test_a_run_whose_moment_has_no_time_zone_is_refused(run: RunMoments) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        ask(DAILY, run)


# Lookback


@given(granularities, days.filter(lambda day: day < date(2026, 2, 1)), st.integers(0, 40))
def test_lookback_adds_that_many_periods_before(granularity: Granularity, day: date, count: int) -> None:
    plain = list(ask(granularity, begin_date=day))

    periods = list(ask(granularity, begin_date=day, lookback=count))

    assert len(periods) == count + 1
    assert periods[-1:] == plain


@pytest.mark.parametrize("run", [EVERYTHING, RunMoments(run_after=NOW), RunMoments(partition_key="20260115")])
def test_lookback_counts_for_a_runs_own_period_too(run: RunMoments) -> None:
    own = ask(WEEKLY, run)

    periods = ask(WEEKLY, run, lookback=2)

    assert periods == PeriodRange(own.first.earlier(2), own.last)


def test_a_blank_lookback_is_none() -> None:
    assert ask(begin_date="2026-03-10", lookback=" ") == ask(begin_date="2026-03-10")


@pytest.mark.parametrize("lookback", ["3", " 3 ", "03", 3])
def test_lookback_may_be_text_as_templates_give_it(lookback: int | str) -> None:
    assert ask(begin_date="2026-03-10", lookback=lookback).first.start == date(2026, 3, 7)


@pytest.mark.parametrize(
    "lookback",
    [
        -1,
        "-1",
        "x",
        "1.5",
        1.5,
        float("inf"),
        float("nan"),
        None,
        "None",
        [],
        True,
        "1_0",
        "٣",
        "+1",
        "9" * 5000,
    ],
)
def test_a_lookback_that_is_no_count_is_refused(lookback: Any) -> None:
    with pytest.raises(ValueError, match=r"lookback=.* is not allowed: give a number of periods, 0 or more"):
        ask(begin_date="2026-03-10", lookback=lookback)


@pytest.mark.parametrize("granularity", Granularity)
@pytest.mark.parametrize("lookback", [999_999, "999999"])
def test_a_lookback_beyond_the_calendar_is_refused(granularity: Granularity, lookback: int | str) -> None:
    with pytest.raises(ValueError, match=r"lookback=.* reaches before the year 1"):
        ask(granularity, begin_date="2026-01-10", lookback=lookback)


# Stretches


def one_by_one(*starts: str) -> list[Period]:
    return [DAILY.period_of(date.fromisoformat(start)) for start in starts]


@pytest.mark.parametrize(
    ("periods", "stretches"),
    [
        ([], []),
        (["2026-01-03"], ["2026-01-03"]),
        (["2025-12-31", "2026-01-01"], ["2025-12-31..2026-01-01"]),
        (["2026-01-01", "2026-01-03", "2026-01-04"], ["2026-01-01", "2026-01-03..2026-01-04"]),
    ],
)
def test_periods_that_follow_each_other_are_one_stretch(periods: list[str], stretches: list[str]) -> None:
    assert [str(stretch) for stretch in stretches_of(one_by_one(*periods))] == stretches


def test_a_period_that_comes_later_closes_the_gap_between_two_stretches() -> None:
    known = stretches_of(one_by_one("2026-01-01", "2026-01-03"))

    assert [str(one) for one in stretches_of(one_by_one("2026-01-02"), known)] == ["2026-01-01..2026-01-03"]


@given(granularities, st.lists(st.lists(st.integers(0, 40))))
def test_stretches_hold_exactly_the_periods_however_they_come(
    granularity: Granularity, batches: list[list[int]]
) -> None:
    last = granularity.period_of(date(2026, 3, 1))
    stretches: list[PeriodRange] = []

    for batch in batches:
        stretches = stretches_of([last.earlier(number) for number in batch], stretches)

    periods = [period for stretch in stretches for period in stretch]
    assert periods == sorted({last.earlier(number) for batch in batches for number in batch})
    assert all(a.last.next != b.first for a, b in pairwise(stretches))


@given(granularities, days)
def test_a_partition_key_leads_back_to_its_period(granularity: Granularity, day: date) -> None:
    period = granularity.period_of(day)

    asked = ask(granularity, RunMoments(partition_key=period.partition_key), now=NOW.replace(year=2200))

    assert asked == PeriodRange(period, period)


# Whatever a run and its parameters say

far_zones = st.sampled_from(
    [UTC, PLUS_EIGHT, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12)), None]
)
any_moment = st.datetimes(timezones=far_zones)
day_texts = st.dates().map(str) | st.dates().map(lambda day: f"{day:%Y%m%d}")
any_day = st.one_of(st.none(), day_texts, days.map(str), any_text, st.dates(), any_moment, json_values)
any_key = st.one_of(st.none(), day_texts, st.from_regex(r"\A[0-9-]{4,10}(T00:00:00)?\Z"), any_text)
any_run = st.builds(
    RunMoments,
    st.none() | any_moment,
    any_key,
    st.none() | any_moment,
    st.none() | any_moment,
)
any_lookback = st.one_of(st.integers(-3, 40), st.integers(-3, 40).map(str), any_text, json_values)


@fuzzed(
    "whatever a run and its parameters say: complete periods that hold the days meant, or a ValueError",
    granularities,
    any_run,
    any_day,
    any_day,
    any_lookback,
    few=200,
)
@example(DAILY, RunMoments(), datetime.max.replace(tzinfo=UTC), None, 0)
@example(DAILY, RunMoments(), datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), None, 0)
@example(WEEKLY, RunMoments(run_after=datetime.min.replace(tzinfo=UTC)), None, None, 0)
@example(MONTHLY, RunMoments(partition_date=datetime.max.replace(tzinfo=UTC)), None, None, 0)
def test_any_run_gives_complete_periods_or_is_refused(
    granularity: Granularity, run: RunMoments, begin: Any, end: Any, lookback: Any
) -> None:
    try:
        periods = ask(granularity, run, begin_date=begin, end_date=end, lookback=lookback)
        named = [day for day in (parse_day("begin", begin), parse_day("end", end)) if day]
    except ValueError as error:
        expect_ours(error, ValueError)
        return

    assert periods.first == granularity.period_of(periods.first.start)
    assert periods.last == granularity.period_of(periods.last.end)
    assert periods.last.end < NOW.astimezone(PLUS_EIGHT).date()
    for day in named:
        assert periods.first.start <= day <= periods.last.end
    if named:
        assert granularity.period_of(named[0]).earlier(int(str(lookback).strip() or 0)) == periods.first
        assert granularity.period_of(named[-1]) == periods.last


@pytest.mark.parametrize(
    "moment", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=timezone(timedelta(hours=9)))]
)
def test_a_moment_outside_the_calendar_is_refused(moment: datetime) -> None:
    with pytest.raises(ValueError, match=r"^\d{4}-.* lies outside the calendar in Beijing$"):
        beijing_day(moment)


@pytest.mark.parametrize("granularity", Granularity)
def test_before_the_first_period_of_the_calendar_none_is_over(granularity: Granularity) -> None:
    with pytest.raises(
        ValueError, match=f"^no {granularity.noun} of the calendar is over at 0001-01-01T00:00:00"
    ):
        latest_complete(granularity, datetime.min.replace(tzinfo=UTC))
