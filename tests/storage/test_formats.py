"""What is in a file, read back with what people read such files with."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_wechat.client.reports import get_report
from airflow_wechat.storage.formats import FORMATS, get_format

DAILY = get_report("daily_visit_trend")
NAMES = [column.name for column in DAILY.columns]


def read_jsonl(content: bytes) -> list[dict]:
    return [json.loads(line) for line in content.decode().splitlines()]


def read_csv(content: bytes) -> list[dict]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def read_parquet(content: bytes) -> list[dict]:
    return pq.read_table(pa.BufferReader(content)).to_pylist()


READERS = {"jsonl": read_jsonl, "csv": read_csv, "parquet": read_parquet}


@pytest.mark.parametrize("file_format", FORMATS)
def test_rows_and_columns_come_in_their_order(row, file_format):
    rows = [row(date(2026, 1, day), day) for day in (1, 2, 3)]

    found = READERS[file_format](get_format(file_format)(DAILY, rows))

    assert [list(one) for one in found] == [NAMES] * 3
    assert [str(one["visit_pv"]) for one in found] == ["1", "2", "3"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_rows_give_the_same_bytes(row, file_format):
    encode, rows = get_format(file_format), [row(extra_one="新", extra_two=[1])]

    assert encode(DAILY, rows) == encode(DAILY, rows)


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_largest_whole_number_and_a_fraction_stay_as_they_are(row, file_format):
    one = row() | {"visit_pv": 2**63 - 1, "stay_time_uv": 0.1 + 0.2}

    (found,) = READERS[file_format](get_format(file_format)(DAILY, [one]))

    assert int(found["visit_pv"]) == 2**63 - 1
    assert float(found["stay_time_uv"]) == 0.1 + 0.2


def test_jsonl_is_the_row_itself(row):
    rows = [row(stay_time_uv=None, new_field={"a": "新\n"}), row(date(2026, 1, 2))]

    content = get_format("jsonl")(DAILY, rows)

    assert read_jsonl(content) == rows
    assert content.isascii()


def test_jsonl_has_no_words_that_json_does_not_have(row):
    with pytest.raises(ValueError, match="not JSON compliant"):
        get_format("jsonl")(DAILY, [row() | {"stay_time_uv": float("nan")}])


def test_csv_is_as_rfc_4180_wants_it_and_empty_where_there_is_nothing(row):
    content = get_format("csv")(DAILY, [row(stay_time_uv=None, note='says "新", twice')])

    header, line, end = content.decode().split("\r\n")
    (found,) = read_csv(content)
    assert header == ",".join(NAMES)
    assert end == ""
    assert line.startswith("wx1,2026-01-01,2026-01-01,20260101,1,1,1,1,,1.0,1.0,")
    assert json.loads(found["extra"]) == {"note": 'says "新", twice'}
    assert datetime.fromisoformat(found["fetched_at"]) == datetime(2026, 2, 1, tzinfo=UTC)


def test_parquet_has_the_tables_types_and_says_what_they_mean(row):
    content = get_format("parquet")(DAILY, [row()])

    schema = pq.read_schema(pa.BufferReader(content))
    double, bigint, text, day = pa.float64(), pa.int64(), pa.string(), pa.date32()
    assert schema.types == [
        *(text, day, day, text),
        *[bigint] * 4,
        *[double] * 3,
        text,
        pa.timestamp("us", tz="UTC"),
    ]
    assert [field.name for field in schema if field.nullable] == NAMES[8:12]
    comments = [field.metadata[b"comment"].decode() for field in schema]
    assert comments == [column.comment for column in DAILY.columns]


def test_parquet_holds_dates_moments_and_nulls(row):
    (found,) = read_parquet(get_format("parquet")(DAILY, [row(visit_depth=None, note="新")]))

    assert found["period_start"] == date(2026, 1, 1)
    assert found["fetched_at"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert found["visit_depth"] is None
    assert json.loads(found["extra"]) == {"note": "新"}


@pytest.mark.parametrize("name", ["xlsx", "", "CSV", None, ["csv"]])
def test_an_unknown_format_is_refused_with_those_allowed(name):
    with pytest.raises(ValueError, match="allowed are jsonl, csv, parquet"):
        get_format(name)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)

    with pytest.raises(ValueError, match=r"^file_format='parquet' needs pyarrow: pip .*wechat\[parquet\]'$"):
        get_format("parquet")
