"""When the runs of a report's DAG come, and which period each stands for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.timetables.base import DagRunInfo, DataInterval, Timetable

from airflow_wechat.airflow_versions import asked_by_backfill
from airflow_wechat.client.periods import (
    READY_AFTER,
    Granularity,
    Period,
    beijing_day,
    latest_complete,
    midnight,
)

if TYPE_CHECKING:
    import pendulum
    from airflow.timetables.base import TimeRestriction


class ReportTimetable(Timetable):
    """One run for each day, Monday–Sunday week or calendar month in Beijing, hours after it is over.

    A run's data interval is exactly its period, from Beijing midnight to Beijing midnight (start included,
    end excluded). A backfill from A to B given as plain dates covers every period with a day in [A, B].

    :param granularity: ``daily``, ``weekly`` or ``monthly``
    :param ready_after: how long after the period's end its run comes; WeChat publishes most days after 10:00
    :raises ValueError: for another granularity, and for a ``ready_after`` below zero
    """

    def __init__(self, granularity: str, ready_after: timedelta = READY_AFTER) -> None:
        if granularity not in list(Granularity):
            raise ValueError(
                f"granularity {granularity!r} is not known: allowed are {', '.join(Granularity)}"
            )
        if not isinstance(ready_after, timedelta) or ready_after < timedelta():
            raise ValueError(f"ready_after={ready_after!r} is not allowed: give a timedelta of 0 or more")
        self._granularity = Granularity(granularity)
        self._ready_after = ready_after
        self.description = f"Each {self._granularity.noun} in Beijing, {ready_after} after its end"

    def serialize(self) -> dict[str, Any]:
        """Return what :meth:`deserialize` makes the same timetable of."""
        return {"granularity": str(self._granularity), "ready_after": self._ready_after.total_seconds()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """Make the timetable that :meth:`serialize` described."""
        return cls(data["granularity"], timedelta(seconds=data["ready_after"]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReportTimetable):
            return NotImplemented
        return self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self._granularity, self._ready_after))

    @property
    def summary(self) -> str:
        """What the UI shows as the schedule."""
        return f"WeChat {self._granularity}"

    def infer_manual_data_interval(self, *, run_after: datetime) -> DataInterval:
        """Return the latest period that is over when a run is triggered by hand."""
        return _interval(latest_complete(self._granularity, run_after))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the run that comes after the last one, or the first."""
        period = self._next_period(last_automated_data_interval, restriction)
        if period is None or (restriction.latest is not None and period.begins_at > restriction.latest):
            return None
        # Airflow 3.2 does not make one without naming a partition, which older versions do not know.
        run = DagRunInfo.interval(*_interval(period))
        return run._replace(run_after=_utc(period.ends_at + self._ready_after))

    def _next_period(self, last: DataInterval | None, restriction: TimeRestriction) -> Period | None:
        candidates = (
            self._following(last) if last else None,
            self._first_allowed(restriction.earliest, backfill=last is None and asked_by_backfill()),
            None if restriction.catchup else self._newest_due(),
        )
        return max(filter(None, candidates), default=None)

    def _following(self, last: DataInterval) -> Period:
        """Return the period after the one that the last run stood for, whatever timetable made that run.

        After runs by a cron at Beijing midnight, or of shorter periods, a run of that logical date is there
        already; Airflow would take the new one for it, and make none ever after. Then it is the next.
        """
        period = self._granularity.period_of(beijing_day(last.end))
        at_midnight = midnight(beijing_day(last.start)) == last.start
        return period.next if at_midnight and period.begins_at <= last.start else period

    def _first_allowed(self, earliest: datetime | None, *, backfill: bool) -> Period | None:
        """Return the first period that begins at or after a moment; for a backfill, the one that holds it.

        A scheduled run that began before the DAG's start date would get no tasks, and succeed with nothing.
        """
        if earliest is None:
            return None
        period = self._granularity.period_of(beijing_day(earliest))
        return period if backfill or period.begins_at >= earliest else period.next

    def _newest_due(self) -> Period:
        return latest_complete(self._granularity, datetime.now(UTC) - self._ready_after)


def _interval(period: Period) -> DataInterval:
    return DataInterval(start=_utc(period.begins_at), end=_utc(period.ends_at))


def _utc(moment: pendulum.DateTime) -> pendulum.DateTime:
    return moment.in_timezone("UTC")
