"""What files promise, on a real disk."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import tempfile
import time
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import example
from hypothesis import strategies as st

from airflow_wechat.client.reports import get_report
from airflow_wechat.storage import files as storage
from airflow_wechat.storage.files import NotWritableError, ReportFiles
from fuzzing import any_text, expect_ours, fuzzed
from proof.figures import quick_proof

TRUST = "trust boundary"

DAILY = get_report("daily_visit_trend")


@pytest.fixture
def files(tmp_path):
    return ReportFiles(LocalFileSystem(), str(tmp_path), DAILY, "jsonl")


def all_files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def visit_pv(file: str) -> int:
    return json.loads(Path(file).read_text())["visit_pv"]


def test_each_period_lies_in_a_file_of_its_own(tmp_path, files, row):
    files.prepare()
    files.replace([row(date(2026, 1, day)) for day in (1, 2)])

    assert all_files(tmp_path) == [
        f"daily_visit_trend/app_id=wx1/period_start=2026-01-0{day}/data.jsonl" for day in (1, 2)
    ]


def test_a_file_that_is_there_is_replaced_and_one_of_another_format_left(tmp_path, files, row):
    files.replace([row(number=1)])
    other = ReportFiles(LocalFileSystem(), str(tmp_path), DAILY, "csv")
    other.replace([row(number=2)])
    before = Path(other.place_of(row())).read_bytes()

    files.replace([row(number=3)])

    assert visit_pv(files.place_of(row())) == 3
    assert Path(other.place_of(row())).read_bytes() == before


def test_of_two_rows_for_one_period_the_later_counts(files, row):
    files.replace([row(number=1), row(number=2)])

    assert visit_pv(files.place_of(row())) == 2


def test_others_may_read_a_file_as_the_umask_says(files, row):
    files.replace([row()])

    umask = os.umask(0)
    os.umask(umask)
    assert Path(files.place_of(row())).stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_writer_killed_before_the_renaming_leaves_the_old_file_and_none_that_readers_take(
    tmp_path, files, row
):
    files.replace([row(number=1)])

    def write_and_die() -> None:
        storage.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        files.replace([row(number=2)])

    process = multiprocessing.get_context("fork").Process(target=write_and_die)
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert visit_pv(files.place_of(row())) == 1
    (left,) = [name for name in all_files(tmp_path) if not name.endswith("/data.jsonl")]
    assert Path(left).name.startswith(".")
    files.replace([row(number=3)])
    assert visit_pv(files.place_of(row())) == 3


@pytest.mark.parametrize(("hours", "stays"), [(23, True), (25, False)])
def test_what_killed_writers_left_a_day_ago_is_removed(files, row, hours, stays):
    file = Path(files.place_of(row()))
    file.parent.mkdir(parents=True)
    other = file.with_name(".other.jsonl.partial")
    left = storage._aside(file)
    long_ago = time.time() - hours * 3600
    for one in (left, other):
        one.touch()
        os.utime(one, (long_ago, long_ago))

    files.replace([row()])

    assert left.exists() is stays
    assert other.exists()
    assert visit_pv(files.place_of(row())) == 1


def test_what_cannot_be_removed_stays(files, row):
    file = Path(files.place_of(row()))
    left = storage._aside(file)
    left.mkdir(parents=True)
    os.utime(left, (0, 0))

    files.replace([row()])

    assert left.exists()
    assert visit_pv(files.place_of(row())) == 1


@pytest.fixture
def failing(monkeypatch):
    """Let each write end with an error of the disk."""

    def fail_with(code: int) -> None:
        def fail(_: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(storage.os, "fsync", fail)

    return fail_with


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, files, row, failing):
    files.replace([row(number=1)])
    failing(errno.ENOSPC)

    with pytest.raises(OSError, match="No space left"):
        files.replace([row(number=2)])

    assert visit_pv(files.place_of(row())) == 1
    assert len(all_files(tmp_path)) == 1


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.ELOOP, errno.EREMCHG])
def test_a_place_that_cannot_be_is_no_matter_for_a_retry(files, row, failing, code):
    failing(code)

    with pytest.raises(NotWritableError, match="there can be no such place"):
        files.replace([row()])


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestTimeTooSkewed"])
def test_credentials_of_s3_that_have_ended_are_a_matter_for_a_retry(files, row, monkeypatch, code):
    told = RuntimeError("as botocore says it")
    told.response = {"Error": {"Code": code}}

    def fail(*_):
        raise PermissionError("as s3fs translates it") from told

    monkeypatch.setattr(storage, "_replace", fail)

    with pytest.raises(PermissionError, match="s3fs"):
        files.replace([row()])


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_where_nobody_may_write_no_retry_is_of_use(files, row, failing, code):
    failing(code)

    with pytest.raises(NotWritableError, match=" cannot be written, it is not allowed: "):
        files.replace([row()])


def test_sixteen_processes_writing_one_period_leave_one_whole_file(tmp_path, files, row, side_by_side):
    long = {"note": "x" * 200_000}

    failures = side_by_side(16, lambda number: files.replace([row(number=number, **long)]))

    assert failures == []
    assert visit_pv(files.place_of(row())) in range(16)
    assert len(all_files(tmp_path)) == 1


def test_preparing_leaves_no_file(tmp_path, files):
    files.prepare()

    assert all_files(tmp_path) == []


def test_a_folder_is_made_with_those_above_it_and_may_be_there(tmp_path):
    files = ReportFiles(LocalFileSystem(), f"{tmp_path}/X/lake/X/", DAILY, "jsonl")

    files.prepare()
    files.prepare()

    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["X", "lake", "X", DAILY.name]


@pytest.mark.parametrize(
    ("place", "why"),
    [("a" * 300, "there can be no such place"), ("file/lake", "it is not there or no folder")],
)
def test_a_place_that_cannot_be_written_is_named_with_the_reason(tmp_path, place, why):
    (tmp_path / "file").touch()
    root = f"{tmp_path}/{place}"

    with pytest.raises(NotWritableError) as caught:
        ReportFiles(LocalFileSystem(), root, DAILY, "jsonl").prepare()

    assert str(caught.value).startswith(f"{root!r} cannot be written, {why}: ")


def test_links_that_go_round_are_no_folder(tmp_path):
    (tmp_path / "round").symlink_to(tmp_path / "round")

    with pytest.raises(NotWritableError):
        ReportFiles(LocalFileSystem(), f"{tmp_path}/round", DAILY, "jsonl").prepare()


def test_a_write_that_does_not_even_begin_fails_with_its_own_error(files, row, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(Path, "open", fail)

    with pytest.raises(OSError, match="No space left"):
        files.replace([row()])


@pytest.mark.parametrize(("error", "refused"), [(PermissionError, False), (FileNotFoundError, True)])
def test_who_may_write_to_a_store_need_not_be_allowed_to_look(monkeypatch, error, refused):
    def look(*_):
        raise error("the store's words")

    monkeypatch.setattr(MemoryFileSystem, "info", look)
    files = ReportFiles(MemoryFileSystem(), "bucket/lake", DAILY, "jsonl")

    with pytest.raises(NotWritableError) if refused else nullcontext():
        files.prepare()


def test_a_place_under_a_file_is_refused_before_anything_is_written(tmp_path, row):
    (tmp_path / "file").touch()
    files = ReportFiles(LocalFileSystem(), f"{tmp_path}/file/lake", DAILY, "jsonl")

    with pytest.raises(NotWritableError, match="no folder"):
        files.prepare()
    with pytest.raises(NotWritableError, match="no folder"):
        files.replace([row()])
    assert all_files(tmp_path) == ["file"]


def test_a_folder_is_read_as_one_table_past_what_killed_writers_left(tmp_path, row):
    files = ReportFiles(LocalFileSystem(), str(tmp_path), DAILY, "parquet")
    files.replace(
        [row(date(2026, 1, day), day, app_id=app_id) for app_id in ("wx1", "wx2") for day in (1, 2)]
    )
    storage._aside(Path(files.place_of(row()))).write_bytes(b"half")

    table = pq.read_table(tmp_path / DAILY.name, partitioning=None)

    assert table.column_names == [column.name for column in DAILY.columns]
    assert sorted(table["app_id"].to_pylist()) == ["wx1", "wx1", "wx2", "wx2"]
    assert sorted(table["visit_pv"].to_pylist()) == [1, 1, 2, 2]


@quick_proof(TRUST, "an AppID that cannot be a folder's name writes no file")
@pytest.mark.parametrize("app_id", ["../wx1", "wx/1", "", "wx1\n", "wx 1", "..", "a\x00b", "新"])
def test_an_app_id_cannot_lead_elsewhere(tmp_path, files, row, app_id):
    with pytest.raises(ValueError, match="cannot be a folder's name"):
        files.replace([row(app_id=app_id)])

    assert all_files(tmp_path) == []


def test_a_store_that_is_no_disk_gets_whole_objects(row):
    store = MemoryFileSystem()
    files = ReportFiles(store, "/lake/", DAILY, "jsonl")

    files.replace([row(number=1)])
    files.replace([row(number=2)])

    (found,) = store.find("/lake")
    assert found == "/lake/daily_visit_trend/app_id=wx1/period_start=2026-01-01/data.jsonl"
    assert json.loads(store.cat_file(found))["visit_pv"] == 2
    store.rm("/lake", recursive=True)


def test_the_top_of_a_disk_is_not_taken_for_the_folder_we_are_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tried = []
    monkeypatch.setattr(storage, "_try_to_write", tried.append)

    ReportFiles(LocalFileSystem(), "/", DAILY, "jsonl").prepare()

    assert tried == [Path("/daily_visit_trend")]


@pytest.mark.parametrize(
    ("root", "top"), [("/top/lake", "/top"), ("bucket/lake/daily", "bucket"), ("bucket/", "bucket")]
)
def test_the_top_of_a_store_is_looked_at_as_the_store_names_it(monkeypatch, root, top):
    looked_at = []
    monkeypatch.setattr(MemoryFileSystem, "info", lambda _, path: looked_at.append(path))

    ReportFiles(MemoryFileSystem(), root, DAILY, "jsonl").prepare()

    assert looked_at == [top]


folders = st.lists(st.sampled_from(("lake", ".", "", " ", "a" * 300, "\0", "\ud800")) | any_text, max_size=3)
app_ids = st.sampled_from(("wx1", "..", "../wx1", "/etc", "")) | any_text


@fuzzed(
    "any folder and AppID: a file under that folder, or refused",
    folders.map("/".join).filter(lambda path: ".." not in path.split("/")),
    app_ids,
)
@example("a\0b", "wx1")
@example("\ud800", "wx1")
@example("a" * 300, "wx1")
def test_any_place_is_written_to_or_refused(place, app_id):
    row = dict.fromkeys((column.name for column in DAILY.columns), 1) | {"app_id": app_id}
    with tempfile.TemporaryDirectory() as top:
        files = ReportFiles(LocalFileSystem(), f"{top}/{place}", DAILY, "jsonl")
        try:
            files.prepare()
            files.replace([row])
        except ValueError as error:
            expect_ours(error, ValueError, NotWritableError)
            assert not [file for file in Path(top).rglob("*") if file.is_file()]
            return

        (found,) = [file for file in Path(top).rglob("*") if file.is_file()]
        assert str(found) == str(Path(files.place_of(row)))
