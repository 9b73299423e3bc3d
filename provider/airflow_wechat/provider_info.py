"""What Airflow asks of a provider: its name, its connection type with its form, its modules."""

from __future__ import annotations

from typing import Any

from airflow_wechat import __version__
from airflow_wechat.client.options import OPTIONS, Option

CONN_TYPE = "wechat"
HOOK_NAME = "WeChat Mini Program"

SECTION = "wechat"
TRENDS_SQL_CONN_ID = "trends_sql_conn_id"
TRENDS_TABLE_PREFIX = "trends_table_prefix"

_INTEGRATION = "WeChat Mini Program"

UI_FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden_fields": ["schema", "port"],
    "relabeling": {"login": "AppID", "password": "AppSecret", "host": "Base URL"},
    "placeholders": {
        "login": "wx0123456789abcdef",
        "password": "Console → Development → Development Settings",
        "host": "https://api.weixin.qq.com (default)",
    },
}
"""How the connection form differs from Airflow's own, as hooks say it up to Airflow 3.1."""


def _conn_field(option: Option) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": ["number" if option.number else "string", "null"]}
    if option.number:
        schema["exclusiveMinimum"] = 0
    if option.choices:
        schema["enum"] = [*option.choices]
    if option.lines or option.secret:
        schema["format"] = "multiline" if option.lines else "password"
    return {"label": option.label, "description": option.help, "schema": schema}


CONN_FIELDS: dict[str, Any] = {name: _conn_field(option) for name, option in OPTIONS.items()}
"""The fields of the form that are stored in the connection's Extra."""


CONFIG: dict[str, Any] = {
    SECTION: {
        "description": "WeChat Mini Programs: the page with the trends (Airflow 3.1 and newer).",
        "options": {
            TRENDS_SQL_CONN_ID: {
                "description": "The connection of the database that transfers write to and the page reads.",
                "version_added": __version__,
                "type": "string",
                "example": "wechat_target",
                "default": "",
            },
            TRENDS_TABLE_PREFIX: {
                "description": (
                    "What stands before a report's name in the name of its table; may begin with a schema: "
                    "``warehouse.wechat_``."
                ),
                "version_added": __version__,
                "type": "string",
                "example": "warehouse.wechat_",
                "default": "wechat_",
            },
        },
    }
}
"""The options in Airflow's configuration."""


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, as Airflow's ``provider_info.schema.json`` describes it."""
    return {
        "package-name": "airflow-provider-wechat",
        "name": "WeChat",
        "description": "Visit trends of WeChat Mini Programs: daily, weekly and monthly.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://developers.weixin.qq.com/miniprogram/dev/",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {"integration-name": _INTEGRATION, "python-modules": ["airflow_wechat.hooks.wechat"]},
        ],
        "operators": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": ["airflow_wechat.operators.visit_trend", "airflow_wechat.operators.check"],
            },
        ],
        "transfers": [
            {
                "source-integration-name": _INTEGRATION,
                "target-integration-name": target,
                "python-module": f"airflow_wechat.transfers.{module}",
            }
            for target, module in (
                ("SQL", "report_to_sql"),
                ("Object Storage", "report_to_object_storage"),
            )
        ],
        "triggers": [
            {"integration-name": _INTEGRATION, "python-modules": ["airflow_wechat.triggers.report"]},
        ],
        "config": CONFIG,
        "cli": ["airflow_wechat.commands.airflow_cli.get_cli_commands"],
        "connection-types": [
            {
                "connection-type": CONN_TYPE,
                "hook-class-name": "airflow_wechat.hooks.wechat.WeChatHook",
                "hook-name": HOOK_NAME,
                "ui-field-behaviour": {
                    name.replace("_", "-"): value for name, value in UI_FIELD_BEHAVIOUR.items()
                },
                "conn-fields": CONN_FIELDS,
            }
        ],
    }
