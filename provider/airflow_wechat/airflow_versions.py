"""What differs between Airflow's versions, or what Airflow does not tell: known here and nowhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from airflow_wechat.client.periods import RunMoments

if TYPE_CHECKING:
    from collections.abc import Mapping


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
