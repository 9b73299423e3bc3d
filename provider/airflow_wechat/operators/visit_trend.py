"""Operators that fetch a Mini Program's visit trends and hand the rows to the tasks that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wechat.operators.report import WeChatReportOperator

if TYPE_CHECKING:
    from airflow_wechat.client.client import Fetched
    from airflow_wechat.client.reports import Row


class _WeChatFetchOperator(WeChatReportOperator):
    """Hands over a row for each period that has one, in their order.

    Columns as in :attr:`airflow_wechat.client.reports.Report.columns`, dates and times as ISO texts.
    """

    def _begin(self) -> list[Row]:
        return []

    def _land(self, landed: list[Row], fetched: list[Fetched]) -> list[Row]:
        return landed + [row for one in fetched for row in one.rows]

    def _result(self, landed: list[Row]) -> list[Row]:
        return sorted(landed, key=lambda row: row["period_start"])


class WeChatDailyVisitTrendOperator(_WeChatFetchOperator):
    """Fetch the daily visit trend; rows to XCom.

    See https://developers.weixin.qq.com/miniprogram/dev/server/API/data-analysis/visit-trend/ and
    :class:`~airflow_wechat.operators.report.WeChatReportOperator` for the parameters. For thousands of
    periods use :class:`~airflow_wechat.transfers.report_to_sql.WeChatReportToSqlOperator`.
    """

    report = "daily_visit_trend"


class WeChatWeeklyVisitTrendOperator(_WeChatFetchOperator):
    """Fetch the visit trend of Monday–Sunday weeks; rows to XCom.

    Visitors are counted once in a week: no sum of days. Otherwise as
    :class:`WeChatDailyVisitTrendOperator`.
    """

    report = "weekly_visit_trend"


class WeChatMonthlyVisitTrendOperator(_WeChatFetchOperator):
    """Fetch the visit trend of calendar months; rows to XCom.

    Visitors are counted once in a month: no sum of days. Otherwise as
    :class:`WeChatDailyVisitTrendOperator`.
    """

    report = "monthly_visit_trend"
