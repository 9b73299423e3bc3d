"""A row's values as a table and a columnar file hold them. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from airflow_wechat.client.reports import ColumnType, Report, Row


def json_text(fields: dict[str, Any] | None) -> str | None:
    """Return a JSON object as text, ASCII only, so that no character set can refuse what it says."""
    return None if fields is None else json.dumps(fields)


_READERS: dict[ColumnType, Callable[[Any], Any]] = {
    ColumnType.DATE: date.fromisoformat,
    ColumnType.TIMESTAMP: lambda text: datetime.fromisoformat(text).astimezone(UTC),
    ColumnType.JSON: json_text,
}


def values_of(report: Report, row: Row) -> Row:
    """Return a row's values in the order of the columns, dates as dates and timestamps in UTC."""
    return {
        column.name: _READERS.get(column.type, lambda value: value)(row[column.name])
        for column in report.columns
    }
