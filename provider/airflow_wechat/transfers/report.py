"""What all transfers of reports share: what landed is told by a manifest, never by rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wechat.operators.report import WeChatReportOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_wechat.client.client import Fetched
    from airflow_wechat.client.reports import Row


class WeChatReportTransferOperator(WeChatReportOperator):
    """Fetch a report for the run's periods and store it; where and how is a subclass's.

    Periods are fetched side by side and stored in batches as they come, so that years need no more memory
    than days. A period that is there already is replaced, atomically.

    Gives a manifest to XCom, of constant size and without rows: ``report``, ``app_id``, ``target``, how many
    ``periods`` were answered, how many ``rows`` stored, and the ``first_period`` and ``last_period`` stored,
    by their first days.

    See :class:`~airflow_wechat.operators.report.WeChatReportOperator` for the other parameters.

    :param report: the report's name, e.g. ``daily_visit_trend`` (templated)
    """

    template_fields: Sequence[str] = (*WeChatReportOperator.template_fields, "report")

    def __init__(self, *, report: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report = report

    def _prepare(self) -> str:
        """Make ready to store, and return the target's name for the manifest."""
        raise NotImplementedError

    def _store(self, rows: list[Row]) -> None:
        """Store rows, at least one, each in place of what the target holds for its app and period."""
        raise NotImplementedError

    def _begin(self) -> dict[str, Any]:
        return {
            "report": self.report,
            "app_id": self.hook.client.app_id,
            "target": self._prepare(),
            "periods": 0,
            "rows": 0,
            "first_period": None,
            "last_period": None,
        }

    def _land(self, landed: dict[str, Any], fetched: list[Fetched]) -> dict[str, Any]:
        rows = [row for one in fetched for row in one.rows]
        if rows:
            self._store(rows)
        starts = [row["period_start"] for row in rows]
        return {
            **landed,
            "periods": landed["periods"] + len(fetched),
            "rows": landed["rows"] + len(rows),
            "first_period": min(filter(None, [landed["first_period"], *starts]), default=None),
            "last_period": max(filter(None, [landed["last_period"], *starts]), default=None),
        }
