"""Rows to the bytes of a file: the formats, as data. The same rows always give the same bytes. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_wechat.client.reports import Column, ColumnType, Report, Row
from airflow_wechat.storage.values import json_text, values_of

if TYPE_CHECKING:
    import pyarrow as pa

Encode = Callable[[Report, Sequence[Row]], bytes]
"""Makes a whole file of a report's rows."""


def _jsonl(report: Report, rows: Sequence[Row]) -> bytes:
    names = [column.name for column in report.columns]
    lines = [json.dumps({name: row[name] for name in names}, allow_nan=False) + "\n" for row in rows]
    return "".join(lines).encode()


def _csv(report: Report, rows: Sequence[Row]) -> bytes:
    """Write as RFC 4180 wants it: a header, CRLF, an empty field for null."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, [column.name for column in report.columns])
    writer.writeheader()
    writer.writerows({**row, "extra": json_text(row["extra"])} for row in rows)
    return file.getvalue().encode()


def _parquet(report: Report, rows: Sequence[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([_parquet_field(column) for column in report.columns])
    table = pa.Table.from_pylist([values_of(report, row) for row in rows], schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def _parquet_field(column: Column) -> pa.Field:
    import pyarrow as pa

    types = {
        ColumnType.TEXT: pa.string(),
        ColumnType.DATE: pa.date32(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.NUMBER: pa.float64(),
        ColumnType.JSON: pa.string(),
        ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    }
    return pa.field(column.name, types[column.type], column.nullable, {"comment": column.comment})


FORMATS: Mapping[str, Encode] = MappingProxyType({"jsonl": _jsonl, "csv": _csv, "parquet": _parquet})
"""Every file format by its name, which is also the file's extension."""


def get_format(name: str) -> Encode:
    """Return the format of a name.

    :raises ValueError: for a name that is no format's, and for ``parquet`` where pyarrow is not installed
    """
    if not isinstance(name, str) or name not in FORMATS:
        raise ValueError(f"file_format={name!r} is not known: allowed are {', '.join(FORMATS)}")
    if name == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise ValueError(
                "file_format='parquet' needs pyarrow: pip install 'airflow-provider-wechat[parquet]'"
            ) from None
    return FORMATS[name]
