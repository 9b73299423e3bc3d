"""Days, weeks and months in Beijing, and which of them a run stands for.

Everything here is pure: the present moment is an argument, never read from a clock.
A period's days are :class:`~datetime.date`, both ends included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

import pendulum

BEIJING = pendulum.timezone("Asia/Shanghai")

READY_AFTER = timedelta(hours=10, minutes=30)
"""How long after a period's end its numbers are due; WeChat publishes most days after 10:00 Beijing time."""

_DAY = timedelta(days=1)
_CLOCKS_APART = timedelta(minutes=5)  # how far a worker's clock may be behind the scheduler's


class Granularity(StrEnum):
    """How long a period is."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    @property
    def noun(self) -> str:
        """What one period is called."""
        return _NOUNS[self]

    def period_of(self, day: date) -> Period:
        """Return the period that holds a day: that day, its Monday–Sunday week or its calendar month."""
        start = _STARTS[self](day)
        return Period(self, start, _next_start(self, start) - _DAY)


_NOUNS = {Granularity.DAILY: "day", Granularity.WEEKLY: "week", Granularity.MONTHLY: "month"}

_STARTS: dict[Granularity, Callable[[date], date]] = {
    Granularity.DAILY: lambda day: day,
    Granularity.WEEKLY: lambda day: day - day.weekday() * _DAY,
    Granularity.MONTHLY: lambda day: day.replace(day=1),
}

# From a period's first day, this many days lie surely in the next period.
_STRIDES = {Granularity.DAILY: 1, Granularity.WEEKLY: 7, Granularity.MONTHLY: 31}


def _next_start(granularity: Granularity, start: date) -> date:
    return _STARTS[granularity](start + _STRIDES[granularity] * _DAY)


@dataclass(frozen=True, order=True)
class Period:
    """One day, one Monday–Sunday week or one calendar month in Beijing; ``end`` is its last day.

    Make one with :meth:`Granularity.period_of`, so that its ends fit its granularity.
    """

    granularity: Granularity
    start: date
    end: date

    @property
    def ref_date(self) -> str:
        """WeChat's own text for the period: ``20170313``, ``20170306-20170312`` or ``201703``."""
        return _REF_DATES[self.granularity](self)

    @property
    def begins_at(self) -> pendulum.DateTime:
        """The first moment of the period, Beijing time."""
        return midnight(self.start)

    @property
    def ends_at(self) -> pendulum.DateTime:
        """The first moment after the period, Beijing time."""
        return midnight(self.end + _DAY)

    @property
    def partition_key(self) -> str:
        """Its key in Airflow's default form, as mappers read it: ``2026-01-31T00:00:00``, in Beijing."""
        return f"{self.start}T00:00:00"

    @property
    def next(self) -> Period:
        """The period that follows."""
        return self.granularity.period_of(self.end + _DAY)

    def earlier(self, count: int) -> Period:
        """Return the period that lies ``count`` periods before this one."""
        period = self
        for _ in range(count):
            period = self.granularity.period_of(period.start - _DAY)
        return period

    def __str__(self) -> str:
        return str(self.start) if self.start == self.end else f"{self.start}..{self.end}"


_REF_DATES: dict[Granularity, Callable[[Period], str]] = {
    Granularity.DAILY: lambda period: compact(period.start),
    Granularity.WEEKLY: lambda period: f"{compact(period.start)}-{compact(period.end)}",
    Granularity.MONTHLY: lambda period: compact(period.start)[:6],
}


@dataclass(frozen=True)
class PeriodRange:
    """Successive periods from ``first`` to ``last``, both included; as small for ten years as for a day."""

    first: Period
    last: Period

    def __iter__(self) -> Iterator[Period]:
        period = self.first
        while period.start <= self.last.start:
            yield period
            period = period.next

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first.start}..{self.last.end}"


def stretches_of(periods: Iterable[Period], known: Iterable[PeriodRange] = ()) -> list[PeriodRange]:
    """Join the periods that follow each other, in any order.

    :param known: stretches found before, of the same granularity
    :return: as few stretches as can be, in their order
    """
    stretches: list[PeriodRange] = []
    parts = [*known, *(PeriodRange(period, period) for period in periods)]
    for part in sorted(parts, key=lambda one: one.first):
        if stretches and part.first <= stretches[-1].last.next:
            stretches[-1] = PeriodRange(stretches[-1].first, max(stretches[-1].last, part.last))
        else:
            stretches.append(part)
    return stretches


@dataclass(frozen=True)
class RunMoments:
    """What Airflow says of a run that decides its period; any of them may be missing."""

    partition_date: datetime | None = None
    partition_key: str | None = None
    data_interval_end: datetime | None = None
    run_after: datetime | None = None


def compact(day: date) -> str:
    """Return a day as WeChat writes it: ``20170313``."""
    return day.isoformat().replace("-", "")


def midnight(day: date) -> pendulum.DateTime:
    """Return the first moment of a day in Beijing."""
    return pendulum.datetime(day.year, day.month, day.day, tz=BEIJING)


def beijing_day(moment: datetime) -> date:
    """Return the day in Beijing at a moment that carries a time zone.

    :raises ValueError: for a moment without a time zone, and for one whose day the calendar does not have
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone, so its day in Beijing is not known")
    try:
        return moment.astimezone(BEIJING).date()
    except OverflowError:
        raise ValueError(f"{moment.isoformat()} lies outside the calendar in Beijing") from None


def latest_complete(granularity: Granularity, moment: datetime) -> Period:
    """Return the latest period that is over in Beijing at ``moment``; one that ends right then is over.

    :raises ValueError: where the calendar has none, and for what :func:`beijing_day` refuses
    """
    try:
        return granularity.period_of(beijing_day(moment)).earlier(1)
    except OverflowError:
        raise ValueError(f"no {granularity.noun} of the calendar is over at {moment.isoformat()}") from None


def periods_between(granularity: Granularity, begin: date, end: date) -> PeriodRange:
    """Return every period with a day in [``begin``, ``end``], both included.

    :raises ValueError: when ``end`` lies before ``begin``
    """
    if end < begin:
        raise ValueError(f"end_date {end} lies before begin_date {begin}; both are included")
    return PeriodRange(granularity.period_of(begin), granularity.period_of(end))


def periods_of_run(
    granularity: Granularity,
    run: RunMoments,
    *,
    now: datetime,
    begin_date: str | date | None = None,
    end_date: str | date | None = None,
    lookback: int | str = 0,
) -> PeriodRange:
    """Return the periods a run asks for.

    In this order: the dates given, the run's partition, the end of its data interval, its ``run_after``.
    A late or retried run gets what it got at first: ``now`` only serves to refuse what is not over yet.

    :param now: the present moment, with a time zone
    :param begin_date: first day, included (see :func:`parse_day`); alone, the period that holds it
    :param end_date: last day, included; alone, the period that holds it
    :param lookback: that many periods before as well
    :raises ValueError: for a date, partition key or lookback that cannot be read, for an end before the
        begin, and for a period named by date or partition that is not over yet in Beijing
    """
    begin, end = parse_day("begin_date", begin_date), parse_day("end_date", end_date)
    if begin or end:
        begin, end = begin or end, end or begin
        assert begin and end
        _refuse_unfinished(granularity, end, now)
        periods = periods_between(granularity, begin, end)
    elif run.partition_date or run.partition_key:
        day = _partition_day(granularity, run)
        _refuse_unfinished(granularity, day, now, cure="; a partitioned schedule usually wants run_offset=-1")
        periods = periods_between(granularity, day, day)
    elif moment := run.data_interval_end or run.run_after:
        period = latest_complete(granularity, moment)
        cure = "; if it is over, set this machine's clock, best by NTP"
        _refuse_unfinished(granularity, period.end, now + _CLOCKS_APART, cure=cure)
        periods = PeriodRange(period, period)
    else:
        raise ValueError("the run carries neither partition, data interval nor run_after: give begin_date")
    return _with_lookback(periods, lookback)


def parse_day(name: str, value: str | date | None) -> date | None:
    """Read a Beijing day from ``YYYY-MM-DD`` or ``YYYYMMDD``; ``None`` or blank text means not given.

    A datetime with a time zone, as native templates give, means its day in Beijing.

    :param name: the parameter's name, for the error
    :raises ValueError: for anything else
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name}={value!r} has no time zone: give a day, YYYY-MM-DD or YYYYMMDD")
        return beijing_day(value)
    if value is None or isinstance(value, date):
        return value
    text = value.strip() if isinstance(value, str) else repr(value)
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}", text):
        raise ValueError(f"{name}={value!r} is no date: give YYYY-MM-DD or YYYYMMDD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}={value!r} is no day of the calendar: give YYYY-MM-DD or YYYYMMDD") from None


# What Airflow's timetables and mappers make keys of. Fixed widths: strptime alone reads 202611 as 2026-01-01.
_KEY = re.compile(
    r"(?P<year>[0-9]{4})"
    r"(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})| \(W(?P<week>[0-9]{2})\))?)?"
    r"|(?P<month_>[0-9]{2})(?P<day_>[0-9]{2})?)"
)

_KEYS = {
    Granularity.DAILY: "2026-01-31T00:00:00, 2026-01-31 and 20260131",
    Granularity.WEEKLY: "2026-01-31T00:00:00, 2026-01-31, 20260131 and 2026-01-26 (W05)",
    Granularity.MONTHLY: "2026-01-31T00:00:00, 2026-01-31, 20260131, 2026-01 and 202601",
}


def _partition_day(granularity: Granularity, run: RunMoments) -> date:
    if run.partition_date:
        return beijing_day(run.partition_date)
    key = run.partition_key or ""
    if (day := _day_of_key(granularity, key)) is None:
        raise ValueError(
            f"partition key {key!r} names no {granularity.noun}: allowed are {_KEYS[granularity]}, "
            f"Beijing time"
        )
    return day


def _day_of_key(granularity: Granularity, key: str) -> date | None:
    """Return a day of the period that a key names; one of a longer period names none."""
    if not (found := _KEY.fullmatch(key)):
        return None
    parts = found.groupdict()
    day_of_month = parts["day"] or parts["day_"]
    if not day_of_month and granularity is not Granularity.MONTHLY:
        return None
    try:
        day = date(int(parts["year"]), int(parts["month"] or parts["month_"]), int(day_of_month or 1))
        time.fromisoformat(parts["time"] or "00:00:00")
    except ValueError:
        return None
    if parts["week"] and (
        granularity is not Granularity.WEEKLY or int(parts["week"]) != day.isocalendar().week
    ):
        return None
    return day


def _refuse_unfinished(granularity: Granularity, day: date, now: datetime, cure: str = "") -> None:
    last_allowed = latest_complete(granularity, now).end
    if day > last_allowed:
        raise ValueError(
            f"{day} lies in a {granularity.noun} that is not over yet in Beijing; "
            f"the last allowed date is {last_allowed}{cure}"
        )


def _with_lookback(periods: PeriodRange, lookback: int | str) -> PeriodRange:
    text = str(lookback).strip() or "0"
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"lookback={lookback!r} is not allowed: give a number of periods, 0 or more")
    try:
        return PeriodRange(periods.first.earlier(int(text)), periods.last)
    except OverflowError:
        raise ValueError(f"lookback={lookback!r} reaches before the year 1") from None
