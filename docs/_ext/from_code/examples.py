"""Runs that tables and pictures show, and the periods they stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pendulum

from airflow_wechat.client.periods import BEIJING, Granularity, PeriodRange, RunMoments, periods_of_run

NOW = pendulum.datetime(2026, 2, 2, 16, tz=BEIJING)


@dataclass(frozen=True)
class Start:
    """A way to start a run of a daily report.

    :param what: the way, for a reader
    :param told: what Airflow says of the run, for a reader
    :param run: the same, for the code
    :param dates: dates given to the operator
    :param at: when it is started
    """

    what: str
    told: str
    at: datetime
    run: RunMoments = field(default_factory=RunMoments)
    dates: dict[str, Any] = field(default_factory=dict)

    def periods(self) -> PeriodRange:
        """Return the periods it stands for."""
        return periods_of_run(Granularity.DAILY, self.run, now=NOW, **self.dates)


def _beijing(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return pendulum.datetime(2026, 2, day, hour, minute, tz=BEIJING)


_MIDNIGHT, _UTC_MIDNIGHT = _beijing(2), pendulum.datetime(2026, 2, 2, tz="UTC")

STARTS = (
    Start(
        "by `ReportTimetable`",
        "data interval 1 February 0:00 to 2 February 0:00, Beijing",
        _beijing(2, 10, 30),
        RunMoments(data_interval_end=_MIDNIGHT),
    ),
    Start(
        "by `@daily`, which is UTC",
        "data interval ends 2 February 0:00 UTC, which is 8:00 in Beijing",
        _UTC_MIDNIGHT,
        RunMoments(data_interval_end=_UTC_MIDNIGHT),
    ),
    Start(
        "by hand or by an asset, on 2 February at 0:30",
        "`run_after` 2 February 0:30, Beijing (in UTC it is still the 1st)",
        _beijing(2, 0, 30),
        RunMoments(run_after=_beijing(2, 0, 30)),
    ),
    Start(
        "that one again, retried at 15:00",
        "the same `run_after`",
        _beijing(2, 15),
        RunMoments(run_after=_beijing(2, 0, 30)),
    ),
    Start(
        "with the partition `2026-01-31`",
        "partition key `2026-01-31`",
        _beijing(2, 10, 30),
        RunMoments(partition_key="2026-01-31", run_after=_beijing(2, 10, 30)),
    ),
    Start(
        "with dates",
        '`begin_date="2026-01-28"`, `end_date="2026-01-31"`',
        _beijing(2, 10, 30),
        RunMoments(run_after=_beijing(2, 10, 30)),
        {"begin_date": date(2026, 1, 28), "end_date": date(2026, 1, 31)},
    ),
    Start(
        "by `ReportTimetable`, with `lookback=2`",
        "data interval 1 February 0:00 to 2 February 0:00, Beijing",
        _beijing(2, 10, 30),
        RunMoments(data_interval_end=_MIDNIGHT),
        {"lookback": 2},
    ),
)
