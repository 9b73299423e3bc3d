"""Numbers that look like a Mini Program's and are the same for everyone who asks. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from airflow_wechat.client.periods import Granularity, Period
from airflow_wechat.client.reports import Column, ColumnType

LAUNCH = date(2017, 1, 9)
"""The day Mini Programs came to be; there are no numbers before."""

Number = int | float

_DAY = timedelta(days=1)

# Monday to Sunday: people have more time at the end of the week.
_WEEKDAYS = (0.94, 0.92, 0.93, 0.95, 1.04, 1.16, 1.12)

# Holidays and shopping days: month and day -> how many times the usual visitors come.
_FIXED_DAYS = {
    (1, 1): 1.25,
    **{(5, day): 1.3 for day in range(1, 6)},
    (6, 18): 1.45,
    **{(10, day): 1.35 for day in range(1, 8)},
    (11, 11): 1.6,
}

# The first day of the lunar year.
_SPRING_FESTIVALS = frozenset(
    {
        date(2017, 1, 28),
        date(2018, 2, 16),
        date(2019, 2, 5),
        date(2020, 1, 25),
        date(2021, 2, 12),
        date(2022, 2, 1),
        date(2023, 1, 22),
        date(2024, 2, 10),
        date(2025, 1, 29),
        date(2026, 2, 17),
        date(2027, 2, 6),
        date(2028, 1, 26),
        date(2029, 2, 13),
        date(2030, 2, 3),
        date(2031, 1, 23),
        date(2032, 2, 11),
        date(2033, 1, 31),
        date(2034, 2, 19),
        date(2035, 2, 8),
    }
)
# From the eve on, day by day: quiet at the table, busy after.
_SPRING_FESTIVAL_DAYS = (0.72, 0.78, 0.95, 1.2, 1.35, 1.4, 1.3, 1.2)

# Of those who come on further days of a period, the part that was not there before.
_FRESH_VISITORS = {Granularity.DAILY: 0.0, Granularity.WEEKLY: 0.38, Granularity.MONTHLY: 0.17}
# Nearly all of those who are new: few are counted on two days.
_FRESH_NEW_USERS = 0.97


@dataclass(frozen=True)
class _Day:
    """A day's countable things; visitors are those who had been there before and those who are new."""

    returning: int = 0
    new: int = 0
    sessions: int = 0
    pages: int = 0
    seconds: int = 0


def entry_of(app_id: str, period: Period, fields: tuple[Column, ...]) -> dict[str, str | Number] | None:
    """Return WeChat's row for a period, or ``None`` where there were no Mini Programs yet.

    :param fields: what to put in it; a field whose meaning is not known here gets a number all the same
    """
    days = [day_numbers(app_id, day) for day in _days(period)]
    if not days:
        return None
    known = _summed(period.granularity, days)
    numbers = {
        field.name: known[field.name] if field.name in known else _some_number(app_id, period, field)
        for field in fields
    }
    return {"ref_date": period.ref_date, **numbers}


def _days(period: Period) -> list[date]:
    start = max(period.start, LAUNCH)
    return [start + count * _DAY for count in range((period.end - start).days + 1)]


def _summed(granularity: Granularity, days: list[_Day]) -> dict[str, Number]:
    sessions, pages, seconds = (
        sum(getattr(day, name) for day in days) for name in ("sessions", "pages", "seconds")
    )
    new = _counted_once([day.new for day in days], _FRESH_NEW_USERS)
    visitors = new + _counted_once([day.returning for day in days], _FRESH_VISITORS[granularity])
    return {
        "session_cnt": sessions,
        "visit_pv": pages,
        "visit_uv": visitors,
        "visit_uv_new": new,
        "stay_time_uv": _ratio(seconds, visitors),
        "stay_time_session": _ratio(seconds, sessions),
        "visit_depth": _ratio(pages, sessions),
    }


def _counted_once(counts: list[int], fresh: float) -> int:
    most = max(counts)
    return most + int((sum(counts) - most) * fresh)


def _ratio(amount: int, count: int) -> Number:
    ratio = round(amount / count, 4)
    return int(ratio) if ratio.is_integer() else ratio  # as WeChat writes 211, not 211.0


@lru_cache(maxsize=20_000)
def day_numbers(app_id: str, day: date) -> _Day:
    """Return what was counted on a day since :data:`LAUNCH`."""
    crowd, fresh, opens, depth, stay = _noise(f"{app_id}/{day}")
    visitors = int(_size(app_id) * _growth(day) * _mood(day) * (0.94 + 0.12 * crowd)) + 20
    new = int(visitors * (0.05 + 0.5 / (1 + _years(day))) * (0.8 + 0.4 * fresh))
    sessions = int(visitors * (1.9 + 0.3 * opens))
    return _Day(
        returning=visitors - new,
        new=new,
        sessions=sessions,
        pages=int(sessions * (2.2 + 0.8 * depth)),
        seconds=int(sessions * (41 + 15 * stay)),
    )


def _growth(day: date) -> float:
    years = _years(day)
    return 0.2 + years / (1.5 + years) + 0.05 * years


def _years(day: date) -> float:
    return (day - LAUNCH).days / 365.25


def _mood(day: date) -> float:
    for count, mood in enumerate(_SPRING_FESTIVAL_DAYS):
        if day - (count - 1) * _DAY in _SPRING_FESTIVALS:
            return mood
    return _FIXED_DAYS.get((day.month, day.day)) or _WEEKDAYS[day.weekday()]


@lru_cache(maxsize=100)
def _size(app_id: str) -> int:
    return 4_000 + int(16_000 * _noise(app_id)[0])


def _some_number(app_id: str, period: Period, field: Column) -> Number:
    number = 1_000 * _noise(f"{app_id}/{period.ref_date}/{field.name}")[0]
    return int(number) if field.type is ColumnType.INTEGER else round(number, 4)


def _noise(seed: str) -> tuple[float, ...]:
    # Not hash(): that differs from process to process.
    digest = hashlib.blake2b(seed.encode(), digest_size=20).digest()
    return tuple(int.from_bytes(digest[at : at + 4]) / 2**32 for at in range(0, 20, 4))
