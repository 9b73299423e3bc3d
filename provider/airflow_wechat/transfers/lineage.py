"""What OpenLineage is told of a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.providers.openlineage.extractors import OperatorLineage
    from sqlalchemy.engine import URL

    from airflow_wechat.client.reports import Report


@dataclass(frozen=True)
class Output:
    """Where rows went, as OpenLineage names it.

    :param namespace: where the target is, as ``postgres://host:5432`` or ``s3://bucket``
    :param name: the target in there, as ``database.schema.table`` or a path
    """

    namespace: str
    name: str


def lineage_of(output: Output, report: Report) -> OperatorLineage[Any, Any]:
    """Return an output as a dataset with a report's columns; OpenLineage must be installed."""
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    fields = [
        SchemaDatasetFacetFields(name=column.name, type=column.type.value, description=column.comment)
        for column in report.columns
    ]
    dataset = Dataset(output.namespace, output.name, facets={"schema": SchemaDatasetFacet(fields=fields)})
    return OperatorLineage(outputs=[dataset])


def output_of_table(hook: DbApiHook, url: URL, schema: str | None, table: str) -> Output:
    """Return a table under the name that its database's own operators give it, where they give one.

    :param url: the engine's; no user and no password of it is told
    :param schema: as the table was named; without one, where the database looks for it
    """
    info = hook.get_openlineage_database_info(hook.connection)
    if not info:  # OpenLineage has no name for SQLite, for instance
        return Output(
            _namespace(url.get_backend_name(), _authority(url)), _joined(url.database, schema, table)
        )
    schema = schema or hook.get_openlineage_default_schema() or (None if info.database else url.database)
    name = _joined(info.database, schema, table)
    return Output(_namespace(info.scheme, info.authority), name.upper() if info.is_uppercase_names else name)


def output_of_folder(place: str, report: Report) -> Output:
    """Return a report's folder below a place.

    :param place: as ``s3://bucket/folder``, ``file:///folder`` or ``/folder``, without a connection
    """
    parts = urlsplit(place)
    folder = f"{parts.path.rstrip('/')}/{report.name}"
    if parts.scheme in {"", "file", "local"}:
        return Output("file", folder)
    return Output(f"{_SCHEMES.get(parts.scheme, parts.scheme)}://{parts.netloc}", folder.lstrip("/"))


# One store may go by several schemes; OpenLineage has one for each.
_SCHEMES = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}


def _namespace(scheme: str, authority: str | None) -> str:
    return f"{scheme}://{authority}" if authority else scheme


def _authority(url: URL) -> str | None:
    return f"{url.host}:{url.port}" if url.port else url.host


def _joined(*names: str | None) -> str:
    return ".".join(filter(None, names))
