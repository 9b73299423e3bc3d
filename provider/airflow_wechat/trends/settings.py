"""Which connection and which tables the page reads, as ``[wechat]`` in Airflow's configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import conf

from airflow_wechat.provider_info import SECTION, TRENDS_SQL_CONN_ID, TRENDS_TABLE_PREFIX

if TYPE_CHECKING:
    from airflow_wechat.client.reports import Report


@dataclass(frozen=True)
class Settings:
    """Where the page reads.

    :param sql_conn_id: the connection of the database; empty where none is set
    :param table_prefix: what stands before a report's name in the name of its table; may hold a schema
    """

    sql_conn_id: str
    table_prefix: str

    def table_of(self, report: Report) -> str:
        """Return the name of a report's table."""
        return f"{self.table_prefix}{report.name}"


def settings() -> Settings:
    """Read the settings."""
    return Settings(
        conf.get(SECTION, TRENDS_SQL_CONN_ID, fallback="").strip(),
        conf.get(SECTION, TRENDS_TABLE_PREFIX, fallback="wechat_").strip(),
    )
