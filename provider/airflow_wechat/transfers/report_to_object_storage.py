"""From WeChat into files: a local disk, S3, or whatever else Airflow's object storage reaches."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_wechat.operators.report import refusing_bad_arguments
from airflow_wechat.provider_info import CONN_TYPE
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
            _check_connection(conn_id)
        try:
            place = ObjectStoragePath(path, conn_id=conn_id)
            filesystem = place.fs
        except (ImportError, ValueError) as error:
            needed = _PROVIDERS.get(path.partition("://")[0].lower(), "an Airflow provider that knows it")
            raise ValueError(f"path={path!r} cannot be reached: {error}; its store needs {needed}") from error
        return ReportFiles(filesystem, place.path, self._report, self.file_format)


def _check_connection(conn_id: str) -> None:
    # Asked for even so: some stores are asked anonymously where it is missing.
    if BaseHook.get_connection(conn_id).conn_type == CONN_TYPE:  # its AppSecret would go to the store
        raise ValueError(f"the connection {conn_id!r} is one of WeChat: name one that reaches the files")


_PATH = re.compile(r"(?:(?P<scheme>[A-Za-z][\w+.-]*)://)?(?:(?P<conn_id>[^/@]*)@)?(?P<place>.*)", re.DOTALL)
_LOCAL = ("", "file", "local")


def split_path(path: str) -> tuple[str, str | None]:
    """Split a path into itself without the connection it may name, and that connection.

    :raises ValueError: for what is neither absolute nor an address, for a password in it, and for ``..``
    """
    found = _PATH.fullmatch(path) if isinstance(path, str) else None
    if not found or not (found["scheme"] or path.startswith("/")):
        raise ValueError(f"path={path!r} is not allowed: give s3://bucket/folder, file:///folder or /folder")
    scheme, conn_id, place = found["scheme"] or "", found["conn_id"], found["place"]
    # A password may hold what ends the host of an address, so all before the last @ is looked at.
    before, _, after = path.removeprefix(f"{scheme}://").rpartition("@")
    if scheme and ":" in before:
        raise ValueError(
            f"path=…@{after!r} is not allowed, it has a password: name an Airflow connection before the @"
        )
    _check_place(scheme.lower(), path, place)
    return f"{scheme}://{place}" if scheme else place, conn_id or None


def _check_place(scheme: str, path: str, place: str) -> None:
    for wrong, what in (
        (".." in place.split("/"), "..: give the folder itself"),
        (re.search("[?#]", place) or not path.isprintable(), "?, # or an unprintable character"),
        (scheme in _LOCAL and not place.startswith("/"), "a host: a local path begins with file:/// or /"),
        (scheme not in _LOCAL and place[:1] in {"", "/"}, "no bucket: give s3://bucket/folder"),
    ):
        if wrong:
            # What follows a ? may be a signature.
            raise ValueError(f"path={re.split('[?#]', path)[0]!r} is not allowed, it has {what}")


_PROVIDERS = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
}
"""What brings the stores that Airflow itself knows, by their schemes."""
