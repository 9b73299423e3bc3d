from __future__ import annotations

from typing import Any

import pytest

from airflow_wechat.client.periods import Granularity
from airflow_wechat.client.reports import KEY_COLUMNS, REPORTS, ColumnType, Report, get_report

COLUMNS = [
    ("app_id", ColumnType.TEXT, False),
    ("period_start", ColumnType.DATE, False),
    ("period_end", ColumnType.DATE, False),
    ("ref_date", ColumnType.TEXT, False),
    ("session_cnt", ColumnType.INTEGER, False),
    ("visit_pv", ColumnType.INTEGER, False),
    ("visit_uv", ColumnType.INTEGER, False),
    ("visit_uv_new", ColumnType.INTEGER, False),
    ("stay_time_uv", ColumnType.NUMBER, True),
    ("stay_time_session", ColumnType.NUMBER, True),
    ("visit_depth", ColumnType.NUMBER, True),
    ("extra", ColumnType.JSON, True),
    ("fetched_at", ColumnType.TIMESTAMP, False),
]

every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=list(REPORTS))


def test_there_are_three_reports() -> None:
    assert list(REPORTS) == ["daily_visit_trend", "weekly_visit_trend", "monthly_visit_trend"]


@pytest.mark.parametrize(
    ("name", "path", "cloud_call", "granularity"),
    [
        (
            "daily_visit_trend",
            "/datacube/getweanalysisappiddailyvisittrend",
            "openapi.analysis.getDailyVisitTrend",
            Granularity.DAILY,
        ),
        (
            "weekly_visit_trend",
            "/datacube/getweanalysisappidweeklyvisittrend",
            "openapi.analysis.getWeeklyVisitTrend",
            Granularity.WEEKLY,
        ),
        (
            "monthly_visit_trend",
            "/datacube/getweanalysisappidmonthlyvisittrend",
            "openapi.analysis.getMonthlyVisitTrend",
            Granularity.MONTHLY,
        ),
    ],
)
def test_a_report_is_asked_for_where_wechat_documents_it(
    name: str, path: str, cloud_call: str, granularity: Granularity
) -> None:
    report = get_report(name)

    assert (report.name, report.path, report.cloud_call, report.granularity) == (
        name,
        path,
        cloud_call,
        granularity,
    )


@every_report
def test_the_columns_come_in_the_promised_order(report: Report) -> None:
    assert [(column.name, column.type, column.nullable) for column in report.columns] == COLUMNS


@every_report
def test_the_key_columns_are_columns_and_never_null(report: Report) -> None:
    keys = [column for column in report.columns if column.name in KEY_COLUMNS]

    assert KEY_COLUMNS == ("app_id", "period_start")
    assert [key.nullable for key in keys] == [False, False]


@every_report
def test_every_column_says_what_it_means(report: Report) -> None:
    assert all(column.comment for column in report.columns)


@every_report
def test_the_table_is_named_after_the_report(report: Report) -> None:
    assert report.default_table == f"wechat_{report.name}"


@every_report
def test_a_report_names_the_page_that_describes_it(report: Report) -> None:
    assert report.doc_url.startswith("https://developers.weixin.qq.com/")


@pytest.mark.parametrize("name", ["visit_trend", "", "Daily_visit_trend", None, 1, [], {}])
def test_an_unknown_report_is_refused_with_the_names_there_are(name: Any) -> None:
    with pytest.raises(
        ValueError, match="daily_visit_trend, weekly_visit_trend, monthly_visit_trend"
    ) as caught:
        get_report(name)

    assert repr(name) in str(caught.value)


def test_the_table_of_reports_cannot_be_changed_by_accident() -> None:
    with pytest.raises(TypeError):
        REPORTS["mine"] = REPORTS["daily_visit_trend"]  # type: ignore[index]
