"""The reports we know, as data: adding one is adding a row to :data:`REPORTS`.

Tables, files, the sandbox and the docs follow from these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from airflow_wechat.client.periods import Granularity

Row = dict[str, Any]
"""One period of one app: the columns of :attr:`Report.columns`, JSON-serialisable."""


class ColumnType(Enum):
    """What a column holds."""

    TEXT = "text"
    DATE = "date"
    INTEGER = "64-bit integer"
    NUMBER = "double"
    JSON = "JSON object"
    TIMESTAMP = "UTC timestamp"


@dataclass(frozen=True)
class Column:
    """A column of a row and its table: its name, type, meaning with unit, and whether it may be null."""

    name: str
    type: ColumnType
    comment: str
    nullable: bool = False


@dataclass(frozen=True)
class Report:
    """One of WeChat's reports: where to ask for it and what an answer holds.

    :param name: our name; the table is ``wechat_<name>``
    :param path: the path of the HTTPS call
    :param cloud_call: the name of the same call inside a cloud function
    :param granularity: the length of the periods it is asked for
    :param fields: the numbers of an answer, named as WeChat names them
    :param doc_url: the page at WeChat that describes it
    """

    name: str
    path: str
    cloud_call: str
    granularity: Granularity
    fields: tuple[Column, ...]
    doc_url: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns of a row, in their order."""
        return (*_LEADING_COLUMNS, *self.fields, *_TRAILING_COLUMNS)

    @property
    def default_table(self) -> str:
        """The table the report lands in where no other is named."""
        return f"wechat_{self.name}"


KEY_COLUMNS = ("app_id", "period_start")
"""What identifies a row; the table's primary key."""

_LEADING_COLUMNS = (
    Column("app_id", ColumnType.TEXT, "AppID of the Mini Program"),
    Column("period_start", ColumnType.DATE, "First day of the period, Beijing time"),
    Column("period_end", ColumnType.DATE, "Last day of the period, included, Beijing time"),
    Column("ref_date", ColumnType.TEXT, "The period as WeChat writes it"),
)

_TRAILING_COLUMNS = (
    Column(
        "extra",
        ColumnType.JSON,
        "Fields WeChat added that have no column yet, as a JSON object; null when none",
        nullable=True,
    ),
    Column("fetched_at", ColumnType.TIMESTAMP, "When WeChat gave this answer, UTC"),
)

_VISIT_TREND_FIELDS = (
    Column("session_cnt", ColumnType.INTEGER, "Opens of the Mini Program in the period"),
    Column("visit_pv", ColumnType.INTEGER, "Visits: page views in the period"),
    Column("visit_uv", ColumnType.INTEGER, "Visitors, each counted once in the period: no sum of days"),
    Column("visit_uv_new", ColumnType.INTEGER, "New users, each counted once in the period: no sum of days"),
    Column("stay_time_uv", ColumnType.NUMBER, "Average stay of a visitor in seconds", nullable=True),
    Column("stay_time_session", ColumnType.NUMBER, "Average stay of an open in seconds", nullable=True),
    Column("visit_depth", ColumnType.NUMBER, "Average number of pages an open", nullable=True),
)

_DOCS = "https://developers.weixin.qq.com/miniprogram/dev/server/API/data-analysis/visit-trend/"


def _visit_trend(granularity: Granularity) -> Report:
    return Report(
        name=f"{granularity}_visit_trend",
        path=f"/datacube/getweanalysisappid{granularity}visittrend",
        cloud_call=f"openapi.analysis.get{granularity.title()}VisitTrend",
        granularity=granularity,
        fields=_VISIT_TREND_FIELDS,
        doc_url=_DOCS,
    )


REPORTS: Mapping[str, Report] = MappingProxyType(
    {report.name: report for report in map(_visit_trend, Granularity)}
)
"""Every report by its name."""


def get_report(name: str) -> Report:
    """Return the report of a name.

    :raises ValueError: for a name that is no report's
    """
    try:
        return REPORTS[name]
    except (KeyError, TypeError):
        raise ValueError(f"unknown report {name!r}: allowed are {', '.join(REPORTS)}") from None
