"""Rows to files, one for each period: a file is wholly old or wholly new, whoever else writes or reads it.

``<root>/<report>/app_id=<AppID>/period_start=<YYYY-MM-DD>/data.<format>``, with folders named as Hive names
partitions. Their columns are in the files as well.

An object store shows an object when all of it has arrived. On a local disk a file is written aside, under a
name that readers of such folders pass over, and renamed. What is neither, such as HDFS, is written to like an
object store and may show a part.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from fsspec.implementations.local import LocalFileSystem

from airflow_wechat.client.reports import Report, Row
from airflow_wechat.storage.formats import get_format

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_LONGEST_WRITING = 24 * 3600.0  # seconds; whoever began earlier does so no more
_APP_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NotWritableError(ValueError):
    """The place for the files is not there, is no folder, or may not be written: no retry mends that."""


class ReportFiles:
    """The files a report's rows land in: call :meth:`prepare`, then :meth:`replace` as often as wanted.

    :param filesystem: where the files are
    :param root: the folder, as the filesystem names it
    :param report: decides the columns
    :param file_format: ``jsonl``, ``csv`` or ``parquet``
    :raises ValueError: for what :func:`~airflow_wechat.storage.formats.get_format` refuses
    """

    def __init__(self, filesystem: AbstractFileSystem, root: str, report: Report, file_format: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._report = report
        self._encode = get_format(file_format)
        self._file_name = f"data.{file_format}"

    def prepare(self) -> None:
        """Make sure that there is a place to write to, as far as that shows without writing a file.

        :raises NotWritableError: where there is none
        :raises OSError: where the store cannot be reached
        """
        with self._refusing_what_cannot_be_written():
            if isinstance(self._filesystem, LocalFileSystem):
                _try_to_write(Path(f"{self._root}/{self._report.name}"))
            else:
                self._look_at_the_bucket()

    def replace(self, rows: Sequence[Row]) -> None:
        """Store rows, a file for each, in place of the one that is there.

        :param rows: as :func:`~airflow_wechat.client.answers.rows_of` makes them; of two for the same app and
            period the later one counts
        :raises NotWritableError: where the store refuses for good
        :raises OSError: where it refuses for another reason; each file is then wholly old or wholly new
        """
        files = {self.place_of(row): self._encode(self._report, [row]) for row in rows}
        with self._refusing_what_cannot_be_written():
            if isinstance(self._filesystem, LocalFileSystem):
                for place, content in files.items():
                    _replace(Path(place), content)
            else:
                self._filesystem.pipe(files)  # side by side, each as one request

    def place_of(self, row: Row) -> str:
        """Return where a row's file lies, as the filesystem names it.

        :raises ValueError: for an AppID that cannot be a folder's name
        """
        app_id = row["app_id"]
        if not _APP_ID.fullmatch(app_id):
            raise ValueError(f"AppID {app_id!r} cannot be a folder's name: letters, digits, _ and - can")
        folder = f"{self._root}/{self._report.name}/app_id={app_id}/period_start={row['period_start']}"
        return f"{folder}/{self._file_name}"

    def _look_at_the_bucket(self) -> None:
        bucket = self._root[:1] + self._root[1:].partition("/")[0]
        # Whoever may write need not be allowed to look.
        with suppress(PermissionError):
            self._filesystem.info(bucket)

    @contextmanager
    def _refusing_what_cannot_be_written(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            if why := _why_no_retry_helps(error):
                raise NotWritableError(f"{self._root!a} cannot be written, {why}: {error}") from error
            raise


def _why_no_retry_helps(error: OSError | ValueError) -> str | None:
    if isinstance(error, ValueError) or error.errno in _NO_PLACE:
        return "there can be no such place"
    if isinstance(error, (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)):
        return "it is not there or no folder"
    if _s3_code(error) in _PASSING_IN_S3:
        return None
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return "it is not allowed"
    return None


# A path too long or turning in a circle; another region's bucket.
_NO_PLACE = (errno.ENAMETOOLONG, errno.ELOOP, errno.EREMCHG)

# Credentials that are fetched anew with each try; s3fs takes both for a lack of permission.
_PASSING_IN_S3 = ("ExpiredToken", "RequestTimeTooSkewed")


def _s3_code(error: OSError) -> str:
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code"))


def _aside(file: Path) -> Path:
    return file.with_name(f".{file.name}.{uuid4().hex}.partial")


def _try_to_write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tried = _aside(folder / "try")
    tried.touch()
    tried.unlink()


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(file)
    try:
        with aside.open("xb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())  # else a power cut could leave the new name without its content
        aside.replace(file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _forget_old(file)


def _forget_old(file: Path) -> None:
    """Remove what writers that were killed have left aside."""
    long_ago = time.time() - _LONGEST_WRITING
    with suppress(OSError):
        for aside in file.parent.glob(f".{file.name}.*.partial"):
            if aside.stat().st_mtime < long_ago:
                aside.unlink()
