"""Which of the periods that are due a table lacks, and the commands that fill it.

Everything here is pure: what is stored, the runs of a DAG and the form of the command are arguments.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_wechat.client.periods import (
    BEIJING,
    Granularity,
    Period,
    PeriodRange,
    RunMoments,
    midnight,
    periods_of_run,
    stretches_of,
)
from airflow_wechat.client.reports import Report

if TYPE_CHECKING:
    from airflow_wechat.airflow_versions import BackfillForm

Json = dict[str, Any]

RANGE_DAG = "wechat_load_range"
"""The sample DAG that loads a range in one run."""

_LONGEST = timedelta(days=31)


@dataclass(frozen=True)
class Dates:
    """The first and last date of a backfill, as its command takes them; both are included."""

    begin: str
    end: str


def missing_of(due: PeriodRange, stored: Collection[date]) -> list[Period]:
    """Return the periods that are due and not stored, in their order.

    :param stored: the first days of the periods that are
    """
    return [period for period in due if period.start not in stored]


def dates_of(stretch: PeriodRange, *, plain: bool) -> Dates:
    """Return the dates between which a ``ReportTimetable`` has the runs of a stretch, and no others.

    :param plain: days without time and zone; otherwise their first moments in Beijing
    """
    first, last = stretch.first.start, stretch.last.end
    if plain:
        return Dates(str(first), str(last))
    return Dates(_in_beijing(midnight(first)), _in_beijing(midnight(last)))


def search_window(stretch: PeriodRange, now: datetime) -> tuple[datetime, datetime]:
    """Return between which logical dates the runs of any schedule lie that stand for a period of a stretch.

    They may be the beginning of an interval that ends with the period, or a moment before the next one ends.
    """
    return stretch.first.begins_at - _LONGEST, min(stretch.last.next.ends_at, now)


def dates_of_runs(
    granularity: Granularity, stretch: PeriodRange, runs: Iterable[tuple[datetime, RunMoments]]
) -> Dates | None:
    """Return the dates between which a schedule has the runs that stand for periods of a stretch.

    :param runs: those in the :func:`search_window`: the moment that a backfill wants for each, and what
        decides its period
    :return: ``None`` where no run does
    """
    wanted, nothing_refused = set(stretch), stretch.last.next.ends_at + 2 * _LONGEST
    own = [
        (bound, moments)
        for bound, moments in runs
        if periods_of_run(granularity, moments, now=nothing_refused).first in wanted
    ]
    if not own:
        return None
    (first, moments), (last, _) = own[0], own[-1]
    # A partition's bound is a clock reading: it must not be turned into another zone's.
    told = datetime.isoformat if moments.partition_date else _in_beijing
    return Dates(told(first), told(last))


@dataclass(frozen=True)
class Plan:
    """How a DAG fills what is missing.

    :param schedule: what Airflow shows of it
    :param exact: whether it is the report's ``ReportTimetable``, of which the dates are sure
    :param backfills: for each stretch its dates, or ``None`` where the schedule has no run for it
    """

    report: Report
    dag_id: str
    paused: bool
    schedule: str
    exact: bool
    form: BackfillForm
    backfills: Sequence[tuple[PeriodRange, Dates | None]]

    @property
    def lines(self) -> list[str]:
        """Comments and commands for a shell."""
        commands = [
            self.form.command(self.dag_id, dates.begin, dates.end) for _, dates in self.backfills if dates
        ]
        without = [stretch for stretch, dates in self.backfills if not dates]
        return [
            comment(f"DAG {self.dag_id}, schedule {self.schedule}"),
            *(self._before(len(commands)) if commands else ()),
            *commands,
            *(_without_dag("Its schedule has no run for these", self.report, without) if without else ()),
        ]

    def _before(self, count: int) -> Iterator[str]:
        if not self.exact:
            yield comment("This is not the report's ReportTimetable: check the dates with --dry-run first.")
        if self.form.scheduled and self.paused:
            yield comment(
                "It is paused, a backfill would wait for ever; unpaused, it also runs what else is due."
            )
            yield shlex.join(["airflow", "dags", "unpause", self.dag_id])
        if self.form.scheduled and count > 1:
            yield comment(
                "Airflow runs one backfill of a DAG at a time, and refuses the next until it has ended: "
                "run them one by one."
            )

    def as_json(self) -> Json:
        """Return it for a program."""
        return {
            "dag_id": self.dag_id,
            "paused": self.paused,
            "schedule": self.schedule,
            "dates_are_sure": self.exact,
            "commands": [line for line in self.lines if not line.startswith("#")],
        }


@dataclass(frozen=True)
class Findings:
    """What a table has and lacks of an app's periods.

    :param target: connection and table
    :param due: what should be there; empty where its last period lies before its first
    :param missing: what is due and not there
    :param to_be_published: what is over, but not due
    """

    report: Report
    target: str
    app_id: str
    due: PeriodRange
    missing: Sequence[Period]
    to_be_published: Sequence[Period]
    plans: Sequence[Plan]

    @property
    def stretches(self) -> list[PeriodRange]:
        """The missing periods, those that follow each other joined."""
        return stretches_of(self.missing)

    def as_script(self) -> str:
        """Return it for people and for a shell, to which all but the commands is a comment."""
        return "\n".join([*self._found(), *(self._filled() if self.missing else ())])

    def _found(self) -> Iterator[str]:
        place, noun = f"{self.target}, app {self.app_id}", self.report.granularity.noun
        if total := len(list(self.due)):
            there = total - len(self.missing)
            yield comment(f"{place}, {self.due}: {self._count(there)} there, {len(self.missing)} missing")
        else:
            yield comment(f"{place}: no {noun} is due yet from {self.due.first.start} on")
        for period in self.to_be_published:
            yield comment(f"still to be published: {period}")
        for stretch in self.stretches:
            yield comment(f"missing: {stretch} ({self._count(len(list(stretch)))})")

    def _filled(self) -> Iterator[str]:
        if len(self.plans) > 1:
            yield comment(
                f"{len(self.plans)} DAGs are tagged {self.report.name}: take the one that loads this table "
                f"for this app; --dag-id picks it"
            )
        for plan in self.plans:
            yield from plan.lines
        if not self.plans:
            yield from _without_dag(
                f"No DAG is tagged {self.report.name}; --dag-id names one without its tag",
                self.report,
                self.stretches,
            )
        noun = self.report.granularity.noun
        yield comment(f"A {noun} that stays missing after its run has succeeded has no data at WeChat.")

    def _count(self, number: int) -> str:
        return f"{number} {self.report.granularity.noun}{'' if number == 1 else 's'}"

    def as_json(self) -> Json:
        """Return it for a program."""
        return {
            "report": self.report.name,
            "target": self.target,
            "app_id": self.app_id,
            "due": {**_as_json(self.due.first, self.due.last), "count": len(list(self.due))},
            "missing": [_as_json(period, period) for period in self.missing],
            "stretches": [_as_json(stretch.first, stretch.last) for stretch in self.stretches],
            "to_be_published": [_as_json(period, period) for period in self.to_be_published],
            "dags": [plan.as_json() for plan in self.plans],
            "load_range_commands": [load_range_command(self.report, one) for one in self.stretches],
        }


def _as_json(first: Period, last: Period) -> Json:
    return {"first_day": str(first.start), "last_day": str(last.end)}


def _without_dag(why: str, report: Report, stretches: Iterable[PeriodRange]) -> Iterator[str]:
    # Comments, as the sample DAG may not be there, and loads with connections and into a table of its own.
    yield comment(f"{why}. The sample DAG {RANGE_DAG} loads them into its own table with:")
    for stretch in stretches:
        yield comment(load_range_command(report, stretch))


def load_range_command(report: Report, stretch: PeriodRange) -> str:
    """Return the command that loads a stretch in one run of the sample DAG for ranges."""
    conf = {"report": report.name, "begin_date": str(stretch.first.start), "end_date": str(stretch.last.end)}
    return shlex.join(["airflow", "dags", "trigger", RANGE_DAG, "--conf", json.dumps(conf)])


def comment(text: str) -> str:
    """Return a text as a comment of a shell, however many lines it has."""
    return "\n".join(f"# {line}" for line in text.splitlines())


def _in_beijing(moment: datetime) -> str:
    return moment.astimezone(BEIJING).isoformat()
