"""From WeChat into files: a local disk, S3, or whatever else Airflow's object storage reaches."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseHook

from airflow_wechat.operators.report import refusing_bad_arguments
from airflow_wechat.transfers.report import WeChatReportTransferOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_wechat.client.reports import Row
    from airflow_wechat.storage.files import ReportFiles
    from airflow_wechat.transfers.lineage import Output


class WeChatReportToObjectStorageOperator(WeChatReportTransferOperator):
    """Fetch a report for the run's periods and store it in files, one for each period.

    A period lies in ``<path>/<report>/app_id=<AppID>/period_start=<YYYY-MM-DD>/data.<file_format>``, with the
    columns of the table. ``extra`` is an object in JSONL, JSON text in CSV and Parquet. A file that is there
    already is replaced as a whole; files of another format are left alone.

    See :class:`~airflow_wechat.transfers.report.WeChatReportTransferOperator` for the manifest and the other
    parameters.

    :param path: the folder, as ``s3://bucket/folder``, ``file:///folder`` or ``/folder`` (templated)
    :param storage_conn_id: the connection to reach it with, as ``aws_default``; it may also stand in the
        path, as ``s3://aws_default@bucket/folder`` (templated)
    :param file_format: ``jsonl``, ``csv`` or ``parquet``; the last needs the extra ``parquet`` (templated)
    """

    template_fields: Sequence[str] = (
        *WeChatReportTransferOperator.template_fields,
        "path",
        "storage_conn_id",
        "file_format",
    )

    def __init__(
        self, *, path: str, storage_conn_id: str | None = None, file_format: str = "jsonl", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.storage_conn_id = storage_conn_id
        self.file_format = file_format

    def _check_arguments(self) -> None:
        super()._check_arguments()
        _ = self._files

    def _prepare(self) -> str:
        self._files.prepare()
        return split_path(self.path)[0]

    def _store(self, rows: list[Row]) -> None:
        with refusing_bad_arguments():
            self._files.replace(rows)

    def _output(self) -> Output:
        from airflow_wechat.transfers.lineage import output_of_folder

        return output_of_folder(split_path(self.path)[0], self._report)

    @cached_property
    def _files(self) -> ReportFiles:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_wechat.storage.files import ReportFiles

        path, conn_id = split_path(self.path)
        if conn_id := self.storage_conn_id or conn_id:
            BaseHook.get_connection(conn_id)  # some stores are asked anonymously where it is missing
        try:
            place = ObjectStoragePath(path, conn_id=conn_id)
            filesystem = place.fs
        except (ImportError, ValueError) as error:
            raise ValueError(
                f"path={path!r} cannot be reached, the Airflow provider of its store may be missing: {error}"
            ) from error
        return ReportFiles(filesystem, place.path, self._report, self.file_format)


def split_path(path: str) -> tuple[str, str | None]:
    """Split a path into itself without the connection it may name, and that connection.

    :raises ValueError: for what is neither absolute nor an address, for a password in it, and for ``..``
    """
    if not isinstance(path, str) or not (path.startswith("/") or "://" in path):
        raise ValueError(f"path={path!r} is not allowed: give s3://bucket/folder, file:///folder or /folder")
    parts = urlsplit(path)
    conn_id, _, host = parts.netloc.rpartition("@")
    place = parts._replace(netloc=host).geturl()
    for found, what in (
        (":" in conn_id, "a password before the @: name an Airflow connection there"),
        (".." in parts.path.split("/"), "..: give the folder itself"),
        (parts.query or parts.fragment or not path.isprintable(), "?, # or an unprintable character"),
        (parts.scheme == "file" and host, "a host: a local path begins with file:/// or /"),
    ):
        if found:
            raise ValueError(f"path={place!r} is not allowed, it has {what}")
    return place, conn_id or None
