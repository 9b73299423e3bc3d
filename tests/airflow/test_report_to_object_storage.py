"""The transfer into files, on a local disk and on a real S3-compatible server."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import sqlite3
import sys
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from hypothesis import example
from hypothesis import strategies as st

from airflow_wechat.client.reports import REPORTS, get_report
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator, split_path
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from bad_line import GOOD, BadLine, End, Fault
from e2e.processes import free_ports
from fuzzing import any_text, expect_ours, fuzzed
from runs import connect, context_of_run
from s3_server import SECRET, Bucket, connection_to, running_s3

BotoCoreError = pytest.importorskip("botocore.exceptions").BotoCoreError
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

DAILY = get_report("daily_visit_trend")
BEGIN, END = "2026-01-30", "2026-02-02"
DAYS = ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"]
NOT_READY = {"errcode": 61503, "errmsg": "data not ready, please try later rid: 1-2-3"}


class S3(Bucket):
    """A bucket of its own."""

    conn_id = "s3_files"

    @property
    def path(self) -> str:
        return f"s3://{self.name}/lake"


class Disk:
    """A folder of its own."""

    conn_id = None

    def __init__(self, folder) -> None:
        self.folder = folder
        self.path = f"file://{folder}/lake"

    def contents(self) -> dict[str, bytes]:
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        return {str(file.relative_to(self.folder)): file.read_bytes() for file in files}


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


@pytest.fixture(scope="module")
def s3_url():
    with running_s3() as url:
        yield url


@pytest.fixture
def s3(s3_url, request, monkeypatch):
    connect(monkeypatch, "s3_files", connection_to(s3_url))
    return S3(s3_url, f"bucket-{abs(hash(request.node.nodeid))}")


@pytest.fixture
def line_to_s3(s3, s3_url, monkeypatch):
    """Behind ``s3_line``: the same server, over a line that goes wrong as it is told."""
    parts = urlsplit(s3_url)
    with BadLine((parts.hostname, parts.port)) as line:
        connect(monkeypatch, "s3_line", connection_to(line.url))
        yield line


@pytest.fixture(params=["disk", "s3"])
def store(request):
    return request.getfixturevalue(request.param)


def load(store, *, file_format="jsonl", begin_date=BEGIN, end_date=END, report=DAILY.name, **arguments):
    return WeChatReportToObjectStorageOperator(
        task_id="load",
        report=report,
        file_format=file_format,
        begin_date=begin_date,
        end_date=end_date,
        **{"path": store and store.path, "storage_conn_id": store and store.conn_id} | arguments,
    ).execute(context_of_run())


def rows_in_sqlite(file, end_date=END) -> list[dict]:
    WeChatReportToSqlOperator(
        task_id="table", report=DAILY.name, sql_conn_id="wechat_target", begin_date=BEGIN, end_date=end_date
    ).execute(context_of_run())
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(f"SELECT * FROM wechat_{DAILY.name} ORDER BY period_start").fetchall()
    return [dict(row) for row in rows]


def read_jsonl(content: bytes) -> dict:
    (line,) = content.decode().splitlines()
    row = json.loads(line)
    return row | {"extra": row["extra"] and json.dumps(row["extra"])}


def read_csv(content: bytes) -> dict:
    (row,) = csv.DictReader(io.StringIO(content.decode(), newline=""))
    numbers = {field.name: float(row[field.name]) if row[field.name] else None for field in DAILY.fields}
    return row | numbers | {"extra": row["extra"] or None}


def read_parquet(content: bytes) -> dict:
    (row,) = pq.read_table(io.BytesIO(content)).to_pylist()
    return row | {name: value.isoformat() for name, value in row.items() if isinstance(value, date)}


READERS = {"jsonl": read_jsonl, "csv": read_csv, "parquet": read_parquet}


def told(error: BaseException | None) -> str:
    """What an error and all those behind it say."""
    return f"{error!r} {told(error.__cause__ or error.__context__)}" if error else ""


def without(name: str, row: dict) -> dict:
    return {key: value for key, value in row.items() if key != name}


def without_moments(contents: dict[str, bytes]) -> dict[str, bytes]:
    moment = rb"20\d\d-\d\d-\d\dT[\d:.+]+"
    return {name: re.sub(moment, b"", content) for name, content in contents.items()}


def place(start: str, file_format: str, app_id: str) -> str:
    return f"lake/{DAILY.name}/app_id={app_id}/period_start={start}/data.{file_format}"


@pytest.mark.parametrize("file_format", READERS)
def test_files_hold_what_the_table_holds(wechat, sqlite_target, store, file_format):
    load(store, file_format=file_format)

    contents = store.contents()
    assert set(contents) == {place(day, file_format, wechat.app.app_id) for day in DAYS}
    expected = rows_in_sqlite(sqlite_target)
    for row, content in zip(expected, (contents[name] for name in sorted(contents)), strict=True):
        found = READERS[file_format](content)
        assert list(found) == list(row)
        assert without("fetched_at", found) == without("fetched_at", row)
        assert datetime.fromisoformat(found["fetched_at"]).tzinfo


@pytest.mark.parametrize("report", REPORTS)
def test_each_report_has_a_folder_of_its_own(wechat, disk, report):
    load(disk, report=report, begin_date="2026-01-15", end_date=None)

    start = REPORTS[report].granularity.period_of(date(2026, 1, 15)).start
    folder = f"lake/{report}/app_id={wechat.app.app_id}"
    assert list(disk.contents()) == [f"{folder}/period_start={start}/data.jsonl"]


def test_a_re_run_gives_the_same_content_but_for_when_it_was_fetched(wechat, store):
    load(store)
    first = store.contents()

    load(store)

    assert without_moments(store.contents()) == without_moments(first)
    assert store.contents() != first


def test_the_manifest_names_the_place_and_counts(wechat, store):
    manifest = load(store)

    assert manifest == {
        "report": DAILY.name,
        "app_id": wechat.app.app_id,
        "target": store.path,
        "periods": 4,
        "rows": 4,
        "first_period": DAYS[0],
        "last_period": DAYS[-1],
    }


def test_a_connection_may_stand_in_the_path_and_is_not_shown(wechat, s3):
    manifest = load(s3, path=s3.path.replace("://", "://s3_files@"), storage_conn_id=None)

    assert manifest["target"] == s3.path
    assert len(s3.contents()) == 4


def test_what_is_published_lands_and_the_rest_after_the_wait(wechat, store):
    wechat.answer_next(DAILY.path, NOT_READY)
    operator = WeChatReportToObjectStorageOperator(
        task_id="load",
        report=DAILY.name,
        path=store.path,
        storage_conn_id=store.conn_id,
        begin_date=BEGIN,
        end_date=END,
        deferrable=True,
        max_concurrency=1,
    )
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context_of_run())
    assert len(store.contents()) == 3

    manifest = operator.resume(context_of_run(), {"timed_out": False}, **deferred.value.kwargs)

    assert len(store.contents()) == 4
    assert (manifest["periods"], manifest["rows"], manifest["first_period"]) == (4, 4, DAYS[0])


class TestRefused:
    @pytest.fixture(autouse=True)
    def nothing_is_asked(self, wechat):
        yield
        assert not [call for call in wechat.requests if call.path == DAILY.path]

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("lake", "give s3://bucket/folder"),
            ("", "give s3://bucket/folder"),
            (None, "give s3://bucket/folder"),
            ("/lake/../etc", "give the folder itself"),
            ("s3://bucket/../other", "give the folder itself"),
            ("file://lake/daily", "begins with file:///"),
            ("/lake?x=1", "unprintable"),
            ("/lake\n", "unprintable"),
            ("file://", "begins with file:///"),
            ("local://lake/daily", "begins with file:///"),
            ("s3://", "has no bucket"),
            ("s3:///lake", "has no bucket"),
            ("s3://aws_default@", "has no bucket"),
            ("gopher://lake/daily", "its store needs an Airflow provider"),
        ],
    )
    def test_a_path_that_is_none(self, path, told):
        with pytest.raises(BadArgumentError, match=told):
            load(None, path=path, storage_conn_id=None)

    @pytest.mark.parametrize("secret", ["s3secret", "s3/secret", "s3?secret", "s3#secret", "s3@secret"])
    def test_a_password_in_the_path_which_is_not_repeated(self, secret):
        with pytest.raises(BadArgumentError, match="a password") as caught:
            load(None, path=f"s3://canary:{secret}@bucket/lake", storage_conn_id=None)

        assert "secret" not in told(caught.value)

    def test_a_signature_in_the_path_which_is_not_repeated(self):
        with pytest.raises(BadArgumentError, match="s3://bucket/lake") as caught:
            load(None, path="s3://bucket/lake?sig=s3secret", storage_conn_id=None)

        assert "s3secret" not in told(caught.value)

    def test_a_store_whose_provider_is_not_installed(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "s3fs", None)

        with pytest.raises(BadArgumentError, match=r"needs apache-airflow-providers-amazon\[s3fs\]"):
            load(None, path="s3://bucket/lake", storage_conn_id=None)

    def test_an_unknown_format(self, disk):
        with pytest.raises(BadArgumentError, match="allowed are jsonl, csv, parquet"):
            load(disk, file_format="xlsx")

    def test_a_place_that_cannot_be_written(self, disk):
        (disk.folder / "lake").touch()

        with pytest.raises(BadArgumentError, match="cannot be written"):
            load(disk)
        assert disk.contents() == {"lake": b""}

    @pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="there is no folder that root cannot write")
    def test_a_folder_where_nobody_may_write(self, disk):
        with pytest.raises(BadArgumentError, match="cannot be written, it is not allowed"):
            load(disk, path="/sys/kernel")

    def test_a_bucket_that_is_not_there(self, s3):
        with pytest.raises(BadArgumentError, match="cannot be written"):
            load(s3, path="s3://no-such-bucket/lake")

    @pytest.mark.parametrize(
        ("path", "storage_conn_id"),
        [("s3://wechat_default@bucket/lake", None), ("s3://bucket/lake", "wechat_default")],
    )
    def test_a_connection_of_wechat_whose_secret_would_go_to_the_store(self, wechat, path, storage_conn_id):
        with pytest.raises(BadArgumentError, match="'wechat_default' is one of WeChat"):
            load(None, path=path, storage_conn_id=storage_conn_id)
        assert wechat.requests == []

    def test_a_connection_that_is_not_there(self, s3):
        with pytest.raises(Exception, match="no_such_connection"):
            load(s3, storage_conn_id="no_such_connection")


def test_what_wechat_added_and_left_out_is_in_the_files_as_in_the_table(wechat, sqlite_target, disk):
    entry = entry_of(wechat.app.app_id, DAILY.granularity.period_of(date(2026, 1, 30)), DAILY.fields)
    entry |= {"visit_depth": None, "share_uv": 7, "note": {"text": "新\n"}}
    wechat.answer_next(DAILY.path, *[{"list": [entry]}] * 4)

    (expected,) = rows_in_sqlite(sqlite_target, BEGIN)
    for file_format, read in READERS.items():
        load(disk, file_format=file_format, end_date=BEGIN)
        content = disk.contents()[place(BEGIN, file_format, wechat.app.app_id)]
        assert without("fetched_at", read(content)) == without("fetched_at", expected)
    assert json.loads(expected["extra"]) == {"share_uv": 7, "note": {"text": "新\n"}}
    assert expected["visit_depth"] is None


class TestStoreFails:
    @pytest.fixture
    def old(self, wechat, s3):
        """What was loaded while all was well."""
        load(s3)
        return s3.contents()

    def test_writing_that_is_denied_ends_the_task_and_leaves_the_old(self, s3, old):
        s3.deny_writing()

        with pytest.raises(BadArgumentError, match="cannot be written, it is not allowed"):
            load(s3)
        assert s3.contents() == old

    def test_a_line_that_breaks_amid_writing_leaves_each_file_old_or_new_and_a_retry_ends_it(
        self, s3, old, line_to_s3
    ):
        line_to_s3.treat(*[GOOD] * 3, Fault(reach=0, then=End.RESET), ever=True)

        with pytest.raises(BotoCoreError) as caught:
            load(s3, storage_conn_id="s3_line")
        half = s3.contents()
        line_to_s3.treat()
        load(s3, storage_conn_id="s3_line")

        assert not isinstance(caught.value, AirflowFailException)
        assert without_moments(half) == without_moments(old)
        assert without_moments(s3.contents()) == without_moments(old)
        assert not set(s3.contents().items()) & set(old.items())


def test_a_store_that_is_down_is_left_to_the_retries_and_the_secret_untold(wechat, s3, monkeypatch, caplog):
    (port,) = free_ports(1)
    connect(monkeypatch, "s3_gone", connection_to(f"http://127.0.0.1:{port}"))

    with pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
        load(s3, storage_conn_id="s3_gone")

    assert not isinstance(caught.value, AirflowFailException)
    assert SECRET not in str(caught.value)
    assert SECRET not in caplog.text


def test_no_log_line_tells_a_secret_not_even_at_debug(wechat, s3, caplog):
    caplog.set_level(logging.DEBUG)

    load(s3)

    assert "StringToSign" in caplog.text  # it did listen to what signs the requests
    for secret in (SECRET, quote(SECRET, safe=""), wechat.app.secret):
        assert secret not in caplog.text


places = st.lists(
    st.sampled_from(("s3", "://", "/", "..", "@", ":", "?", "#", "bucket", "file", " ", "\0")) | any_text,
    max_size=8,
)


@fuzzed("any path of a lake: refused, or taken without a way up, a password or a query", places.map("".join))
@example("/lake/../../etc")
@example("s3://user:pass@bucket/lake")
@example("file://host/lake")
def test_any_path_is_refused_or_leads_where_it_says(path):
    try:
        place, conn_id = split_path(path)
    except ValueError as error:
        expect_ours(error, ValueError)
        return

    scheme, _, rest = place.rpartition("://")
    assert path in (
        place,
        f"{scheme}://{conn_id}@{rest}",
        f"{scheme}://@{rest}",
        f"{conn_id}@{rest}",
        f"@{rest}",
    )
    assert ".." not in place.split("/")
    assert not {"?", "#"} & {*place}
    assert ":" not in (conn_id or "")
