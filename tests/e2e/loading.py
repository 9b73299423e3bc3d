"""A DAG with a WeChat of its own: what it asked for, and what landed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from psycopg2 import errors, sql

from e2e.airflow_api import Run, all_ended
from e2e.holding_sandbox import HoldingSandbox
from e2e.live_airflow import LiveAirflow

if TYPE_CHECKING:
    from e2e.conftest import Target

BEIJING = timezone(timedelta(hours=8))

_PATIENCE = 400  # seconds: what was begun together ends together
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Loading:
    """A DAG that loads from a sandbox of its own into a table of its name.

    Periods are texts: ``20260105`` for a day, ``20260105-20260111`` for weeks and months.
    """

    airflow: LiveAirflow
    target: Target
    sandbox: HoldingSandbox
    dag_id: str

    def begin(self) -> None:
        """Let runs begin."""
        self.airflow.api.unpause(self.dag_id)

    def ended(self) -> list[Run]:
        """Wait until there are runs, all have ended, and no other is due; return them."""
        return list(self.airflow.wait(self._ended, f"the runs of {self.dag_id} end", _PATIENCE))

    def _ended(self) -> list[Run] | None:
        due = self.airflow.api.call("GET", f"/dags/{self.dag_id}")["next_dagrun_run_after"]
        if due and datetime.fromisoformat(due) < datetime.now(UTC):
            return None
        runs = self.airflow.api.runs(self.dag_id)
        return runs if all_ended(runs) else None

    def asked(self) -> list[str]:
        """Return what WeChat was asked for, whatever the report, in the order of the calls."""
        bodies = [call.body or {} for call in self.sandbox.requests if "/datacube/" in call.path]
        return [_text(body["begin_date"], body["end_date"]) for body in bodies]

    def landed(self) -> list[str]:
        """Return the periods in the table, in order; each row is WeChat's answer for them."""
        rows = self._select("period_start", "period_end", "ref_date")
        for start, end, ref_date in rows:
            assert ref_date == _ref_date(start, end)
        return [_text(compact(start), compact(end)) for start, end, _ in rows]

    def fetched_at(self) -> dict[str, datetime]:
        """Return when the row of each first day was fetched."""
        return {compact(start): moment for start, moment in self._select("period_start", "fetched_at")}

    def _select(self, *columns: str) -> list[tuple[Any, ...]]:
        query = sql.SQL("SELECT {} FROM {} ORDER BY 1").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(self.dag_id)
        )
        return self.target.select(query)

    def has_table(self) -> bool:
        """Tell whether there is a table."""
        try:
            self.landed()
        except errors.UndefinedTable:
            return False
        return True


def compact(day: date) -> str:
    """Write a day as WeChat does."""
    return f"{day:%Y%m%d}"


def _text(begin: str, end: str) -> str:
    return begin if begin == end else f"{begin}-{end}"


def _ref_date(start: date, end: date) -> str:
    return compact(start)[:6] if end - start > 7 * _DAY else _text(compact(start), compact(end))


def complete_at(granularity: str, moment: datetime) -> str:
    """Return the latest period that is over in Beijing at a moment, by the calendar alone."""
    today = moment.astimezone(BEIJING).date()
    first_day = {
        "daily": today,
        "weekly": today - today.weekday() * _DAY,
        "monthly": today.replace(day=1),
    }[granularity]
    last = first_day - _DAY
    first = {"daily": last, "weekly": last - 6 * _DAY, "monthly": last.replace(day=1)}[granularity]
    return _text(compact(first), compact(last))


def states(runs: Sequence[Run]) -> set[str]:
    """Return how runs have ended."""
    return {run["state"] for run in runs}
