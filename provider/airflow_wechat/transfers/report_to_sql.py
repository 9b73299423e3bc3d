"""From WeChat into a table."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_wechat.operators.report import WeChatReportOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_wechat.client.client import Fetched
    from airflow_wechat.storage.sql import ReportTable


class WeChatReportToSqlOperator(WeChatReportOperator):
    """Fetch a report for the run's periods and store it in a table of any SQL database.

    A period that is there already is replaced, atomically. The table is made where it is missing. Periods
    are fetched side by side and stored in batches as they come, so that years need no more memory than days.

    Gives a manifest to XCom, of constant size and without rows: ``report``, ``app_id``, ``target``, how many
    ``periods`` were answered, how many ``rows`` stored, and the ``first_period`` and ``last_period`` stored,
    by their first days.

    See :class:`~airflow_wechat.operators.report.WeChatReportOperator` for the other parameters.

    :param report: the report's name, e.g. ``daily_visit_trend`` (templated)
    :param sql_conn_id: the connection of the database; its hook must be a ``DbApiHook`` (templated)
    :param table: ``table`` or ``schema.table``; default ``wechat_<report>`` (templated)
    """

    template_fields: Sequence[str] = (
        *WeChatReportOperator.template_fields,
        "report",
        "sql_conn_id",
        "table",
    )

    def __init__(self, *, report: str, sql_conn_id: str, table: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report = report
        self.sql_conn_id = sql_conn_id
        self.table = table

    def _check_arguments(self) -> None:
        super()._check_arguments()
        _ = self._table

    def _begin(self) -> dict[str, Any]:
        self._table.create()
        return {
            "report": self.report,
            "app_id": self.hook.client.app_id,
            "target": f"{self.sql_conn_id}:{self._table.name}",
            "periods": 0,
            "rows": 0,
            "first_period": None,
            "last_period": None,
        }

    def _land(self, landed: dict[str, Any], fetched: list[Fetched]) -> dict[str, Any]:
        rows = [row for one in fetched for row in one.rows]
        if rows:
            self._table.replace(rows)
        starts = [row["period_start"] for row in rows]
        return {
            **landed,
            "periods": landed["periods"] + len(fetched),
            "rows": landed["rows"] + len(rows),
            "first_period": min(filter(None, [landed["first_period"], *starts]), default=None),
            "last_period": max(filter(None, [landed["last_period"], *starts]), default=None),
        }

    @cached_property
    def _table(self) -> ReportTable:
        from airflow.providers.common.sql.hooks.sql import DbApiHook

        from airflow_wechat.storage.sql import ReportTable

        hook = BaseHook.get_hook(self.sql_conn_id)
        if not isinstance(hook, DbApiHook):
            raise ValueError(
                f"sql_conn_id={self.sql_conn_id!r} leads to {type(hook).__name__}, which is no SQL database"
            )
        return ReportTable(hook.get_sqlalchemy_engine(), self._report, self.table)
