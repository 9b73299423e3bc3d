"""An Airflow connection turned into the hook of an SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseHook

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook


def sql_hook_of(sql_conn_id: str) -> DbApiHook:
    """Return the hook of a connection that leads to an SQL database.

    :raises ValueError: for a connection that leads elsewhere
    """
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    hook = BaseHook.get_hook(sql_conn_id)
    if not isinstance(hook, DbApiHook):
        raise ValueError(
            f"sql_conn_id={sql_conn_id!r} leads to {type(hook).__name__}, which is no SQL database"
        )
    return hook
