"""From WeChat into a table."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_wechat.hooks.sql import sql_hook_of
from airflow_wechat.transfers.report import WeChatReportTransferOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from sqlalchemy.engine import Engine

    from airflow_wechat.client.reports import Row
    from airflow_wechat.storage.sql import ReportTable
    from airflow_wechat.transfers.lineage import Output


class WeChatReportToSqlOperator(WeChatReportTransferOperator):
    """Fetch a report for the run's periods and store it in a table of any SQL database.

    The table is made where it is missing.

    See :class:`~airflow_wechat.transfers.report.WeChatReportTransferOperator` for the manifest and the other
    parameters.

    :param sql_conn_id: the connection of the database; its hook must be a ``DbApiHook`` (templated)
    :param table: ``table`` or ``schema.table``; default ``wechat_<report>`` (templated)
    """

    template_fields: Sequence[str] = (*WeChatReportTransferOperator.template_fields, "sql_conn_id", "table")

    def __init__(self, *, sql_conn_id: str, table: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql_conn_id = sql_conn_id
        self.table = table

    def _check_arguments(self) -> None:
        super()._check_arguments()
        _ = self._table

    def _prepare(self) -> str:
        self._table.create()
        return f"{self.sql_conn_id}:{self._table.name}"

    def _store(self, rows: list[Row]) -> None:
        self._table.replace(rows)

    def _output(self) -> Output:
        from airflow_wechat.storage.sql import check_table_name
        from airflow_wechat.transfers.lineage import output_of_table

        return output_of_table(self._sql_hook, self._engine.url, *check_table_name(self._table.name))

    @cached_property
    def _table(self) -> ReportTable:
        from airflow_wechat.storage.sql import ReportTable

        return ReportTable(self._engine, self._report, self.table)

    @cached_property
    def _engine(self) -> Engine:
        return self._sql_hook.get_sqlalchemy_engine()

    @cached_property
    def _sql_hook(self) -> DbApiHook:
        return sql_hook_of(self.sql_conn_id)
