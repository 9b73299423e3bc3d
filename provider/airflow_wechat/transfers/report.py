"""What all transfers of reports share: a manifest, asset events and lineage tell what landed, never rows."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from airflow_wechat.airflow_versions import assets_among, tasks_add_partitions
from airflow_wechat.client.periods import PeriodRange, stretches_of
from airflow_wechat.operators.report import WeChatReportOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_wechat.client.client import Fetched
    from airflow_wechat.client.reports import Row
    from airflow_wechat.transfers.lineage import Output


class WeChatReportTransferOperator(WeChatReportOperator):
    """Fetch a report for the run's periods and store it; where and how is a subclass's.

    Periods are fetched side by side and stored in batches as they come, so that years need no more memory
    than days. A period that is there already is replaced, atomically.

    Gives a manifest to XCom, of constant size and without rows: ``report``, ``app_id``, ``target``, how many
    ``periods`` were answered, how many ``rows`` stored, and the ``first_period`` and ``last_period`` stored,
    by their first days.

    The event of each asset in ``outlets`` gets the same as its ``extra``, but with the stretches of the
    ``periods`` stored, as first and last day, both included: ``[["2026-01-01", "2026-01-31"]]``; and how many
    periods were ``answered``. A load that stored nothing has an event with no periods.

    See :class:`~airflow_wechat.operators.report.WeChatReportOperator` for the other parameters.

    :param report: the report's name, e.g. ``daily_visit_trend`` (templated)
    :param partition_outlets: give each period stored an asset event of its own, with a partition key: its
        first day, ``2026-01-31T00:00:00``. Such events start partitioned DAGs, and never one with a plain
        ``schedule=[asset]``. From Airflow 3.3 on
    """

    template_fields: Sequence[str] = (*WeChatReportOperator.template_fields, "report")

    def __init__(self, *, report: str, partition_outlets: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report = report
        self.partition_outlets = partition_outlets

    def _prepare(self) -> str:
        """Make ready to store, and return the target's name for the manifest."""
        raise NotImplementedError

    def _store(self, rows: list[Row]) -> None:
        """Store rows, at least one, each in place of what the target holds for its app and period."""
        raise NotImplementedError

    def _output(self) -> Output:
        """Return the target under the name OpenLineage has for its kind; asked for only where it is used."""
        raise NotImplementedError

    def get_openlineage_facets_on_complete(self, _: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage, which calls this where it is installed, where the rows went."""
        from airflow_wechat.transfers.lineage import lineage_of

        return lineage_of(self._output(), self._report)

    def _check_arguments(self) -> None:
        super()._check_arguments()
        if not self.partition_outlets:
            return
        checks = (
            (self.partition_outlets is True, "give True or False"),
            (tasks_add_partitions(), "tasks add partition keys from Airflow 3.3 on"),
            (bool(assets_among(self.outlets)), "the task has no asset in its outlets"),
        )
        for allowed, why in checks:
            if not allowed:
                raise ValueError(f"partition_outlets={self.partition_outlets!r} is not allowed: {why}")

    def _begin(self) -> dict[str, Any]:
        return {
            "report": self.report,
            "app_id": self.hook.client.app_id,
            "target": self._prepare(),
            "periods": 0,
            "rows": 0,
            "stretches": [],
        }

    def _land(self, landed: dict[str, Any], fetched: list[Fetched]) -> dict[str, Any]:
        rows = [row for one in fetched for row in one.rows]
        if rows:
            self._store(rows)
        stretches = stretches_of((one.period for one in fetched if one.rows), self._stretches(landed))
        return {
            **landed,
            "periods": landed["periods"] + len(fetched),
            "rows": landed["rows"] + len(rows),
            "stretches": [[str(one.first.start), str(one.last.end)] for one in stretches],
        }

    def _stretches(self, landed: dict[str, Any]) -> list[PeriodRange]:
        period_of = self._report.granularity.period_of
        return [
            PeriodRange(period_of(date.fromisoformat(first)), period_of(date.fromisoformat(last)))
            for first, last in landed["stretches"]
        ]

    def _announce(self, context: Context, landed: dict[str, Any]) -> None:
        told = {name: landed[name] for name in ("report", "app_id", "target", "rows")}
        told |= {"periods": landed["stretches"], "answered": landed["periods"]}
        for asset in assets_among(self.outlets):
            event = context["outlet_events"][asset]
            event.extra.update(told)
            if self.partition_outlets:
                periods = (period for stretch in self._stretches(landed) for period in stretch)
                event.add_partitions([period.partition_key for period in periods])

    def _result(self, landed: dict[str, Any]) -> dict[str, Any]:
        stretches = self._stretches(landed)
        return {name: value for name, value in landed.items() if name != "stretches"} | {
            "first_period": str(stretches[0].first.start) if stretches else None,
            "last_period": str(stretches[-1].last.start) if stretches else None,
        }
