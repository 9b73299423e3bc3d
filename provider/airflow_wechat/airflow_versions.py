"""What differs between Airflow's versions, or what Airflow does not tell: known here and nowhere else."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_wechat.client.periods import RunMoments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from airflow.timetables.base import Timetable


def moments_of(context: Mapping[str, Any]) -> RunMoments:
    """Read from a task's context what decides the run's period.

    Runs without a data interval, with partitions and with ``run_after`` exist from Airflow 3.0 on; up to
    2.11 every run has a data interval.
    """
    run = context["dag_run"]
    return RunMoments(
        partition_date=getattr(run, "partition_date", None),
        partition_key=getattr(run, "partition_key", None),
        data_interval_end=run.data_interval_end,
        run_after=getattr(run, "run_after", None),
    )


def assets_among(outlets: Iterable[Any]) -> list[Any]:
    """Return those of a task's outlets that have an event for certain when it succeeds.

    An alias has one only for the assets that its task names, and what is no asset has none.
    """
    from airflow.providers.common.compat.sdk import Asset

    try:
        from airflow.sdk.definitions.asset import AssetRef
    except ImportError:  # up to Airflow 2.11 an asset cannot be referred to by its name or URI alone
        return [outlet for outlet in outlets if isinstance(outlet, Asset)]
    return [outlet for outlet in outlets if isinstance(outlet, (Asset, AssetRef))]


def tasks_add_partitions() -> bool:
    """Tell whether a task may add partition keys to its assets' events: from Airflow 3.3 on."""
    try:
        from airflow.sdk.execution_time.context import OutletEventAccessor
    except ImportError:
        return False
    return hasattr(OutletEventAccessor, "add_partitions")


def asked_by_backfill() -> bool:
    """Tell whether a backfill, not the scheduler, is asking the timetable that calls this.

    Airflow asks both with the same arguments, so only the caller tells; see
    ``docs/decisions/backfill-alignment.md``.
    """
    frame = sys._getframe(1)  # noqa: SLF001
    for _ in range(_DEPTH):
        if frame.f_code.co_name == "iter_dagrun_infos_between":
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


# asked_by_backfill < _next_period < next_dagrun_info < next_dagrun_info_v2 < iter_dagrun_infos_between
_DEPTH = 5


@dataclass(frozen=True)
class BackfillForm:
    """How a version of Airflow wants a backfill asked for.

    :param words: the command, with ``{dag_id}``, ``{begin}`` and ``{end}``
    :param plain_days: whether days without time and zone reach every run of a ``ReportTimetable``
    :param scheduled: whether the scheduler runs it: not for a paused DAG, and one at a time for each DAG
    """

    words: tuple[str, ...]
    plain_days: bool
    scheduled: bool

    def command(self, dag_id: str, begin: str, end: str) -> str:
        """Return the command, quoted for a shell."""
        return shlex.join(word.format(dag_id=dag_id, begin=begin, end=end) for word in self.words)


# What is there is run again: a run that has ended is cleared, one under way is left to its end.
_CREATE = "airflow backfill create --dag-id {dag_id} --from-date {begin} --to-date {end}"
AIRFLOW_3 = BackfillForm(
    (*_CREATE.split(), "--reprocess-behavior", "completed"), plain_days=True, scheduled=True
)

# It resets the runs whose logical date lies between the dates, exactly: a plain day is 8:00 in Beijing, when
# the first run of the range has begun already and would be passed over.
_BACKFILL = "airflow dags backfill --start-date {begin} --end-date {end} --reset-dagruns --yes {dag_id}"
AIRFLOW_2 = BackfillForm(tuple(_BACKFILL.split()), plain_days=False, scheduled=False)


def backfill_form() -> BackfillForm:
    """Return the form that this Airflow takes."""
    return AIRFLOW_3 if find_spec("airflow.models.backfill") else AIRFLOW_2


@dataclass(frozen=True)
class FoundDag:
    """A DAG as Airflow has read it."""

    dag_id: str
    is_paused: bool
    serialized: Any

    @property
    def timetable(self) -> Timetable:
        """Its schedule."""
        timetable: Timetable = self.serialized.timetable
        return timetable

    def runs_between(self, earliest: datetime, latest: datetime) -> Iterator[tuple[datetime, RunMoments]]:
        """Return the runs that a backfill between two moments has, both included.

        :return: the moment that a backfill wants for each, and what decides its period
        """
        if not self.timetable.periodic:
            return
        for info in self.serialized.iter_dagrun_infos_between(earliest, latest):
            interval = info.data_interval
            moments = RunMoments(
                partition_date=getattr(info, "partition_date", None),
                data_interval_end=interval.end if interval else None,
                run_after=info.run_after,
            )
            yield self._bound_of(info), moments

    def _bound_of(self, info: Any) -> datetime:
        bound: datetime = info.logical_date if info.data_interval else info.run_after
        if info.data_interval or not hasattr(self.timetable, "iter_partition_dagrun_infos"):
            return bound  # 3.2 finds partitions by when their runs come
        # From 3.3 on a bound's clock reading is taken for one in the schedule's own zone.
        zone = getattr(self.timetable, "_timezone", UTC)
        partition: datetime = info.partition_date.astimezone(zone)
        return partition.replace(tzinfo=UTC)


def find_dags(*, tag: str, dag_id: str | None = None) -> list[FoundDag]:
    """Find DAGs in Airflow's database: a command may, a task must not.

    :param tag: what they are tagged
    :param dag_id: only this one, whatever its tags
    :return: those that are still there, in the order of their ids
    """
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    gone = getattr(DagModel, "is_stale", None)  # up to 2.11 it is the other way round
    alive = DagModel.is_active if gone is None else ~gone
    wanted = DagModel.tags.any(DagTag.name == tag) if dag_id is None else DagModel.dag_id == dag_id
    with create_session() as session:
        models = session.scalars(select(DagModel).where(alive, wanted).order_by(DagModel.dag_id)).all()
        found = [(model, SerializedDagModel.get_dag(model.dag_id, session=session)) for model in models]
        return [FoundDag(model.dag_id, bool(model.is_paused), dag) for model, dag in found if dag]


def tagged_dags(tag: str) -> set[str]:
    """Return the ids of the DAGs with a tag, also of those that are gone: not from within a task."""
    from airflow.models.dag import DagTag
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return set(session.scalars(select(DagTag.dag_id).where(DagTag.name == tag)))


def plugins_have_pages() -> bool:
    """Tell whether a plugin may add a page to the UI: from Airflow 3.1 on."""
    from airflow.providers.common.compat.sdk import AirflowPlugin

    return hasattr(AirflowPlugin, "external_views")


def read_stored_connections() -> None:
    """Let this process, a command, read connections and Variables from Airflow's database.

    From Airflow 3 on a process does so only where it says that it is no task; Airflow's own commands do.
    """
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def keep_variable(key: str, value: str, description: str) -> None:
    """Store a Variable: through its supervisor in a task of Airflow 3, in the database everywhere else."""
    from airflow.providers.common.compat.sdk import Variable

    try:
        Variable.set(key, value, description)
    except ImportError:  # no supervisor: a command, or the Test button
        from airflow.models.variable import Variable as StoredVariable

        StoredVariable.set(key, value, description)


def kept_variable(key: str) -> str | None:
    """Return a Variable's value, by the same ways; None where there is none."""
    from airflow.providers.common.compat.sdk import Variable

    try:
        value: str | None = Variable.get(key, None)
    except ImportError:  # Airflow 3.0 where there is no supervisor
        from airflow.models.variable import Variable as StoredVariable

        value = StoredVariable.get(key, None)
    return value


def hide_from_logs(secret: str) -> None:
    """Tell Airflow's masker a text that its logs are not to show."""
    try:
        from airflow.sdk.log import mask_secret
    except ImportError:  # up to Airflow 2.11
        from airflow.utils.log.secrets_masker import mask_secret  # type: ignore[import-not-found, no-redef]
    mask_secret(secret)
