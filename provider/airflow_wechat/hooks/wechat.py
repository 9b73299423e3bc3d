"""An Airflow connection turned into a client of WeChat."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import WeChatError
from airflow_wechat.client.reports import Report, Row, get_report
from airflow_wechat.client.tokens import StableToken
from airflow_wechat.client.transport import DEFAULT_BASE_URL, DEFAULT_TIMEOUT, Transport
from airflow_wechat.provider_info import CONN_FIELDS, CONN_TYPE, HOOK_NAME, UI_FIELD_BEHAVIOUR

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_wechat.client.periods import Period


class WeChatHook(BaseHook):
    """Talks to WeChat with the AppID and AppSecret of a connection.

    The connection's login is the AppID, its password the AppSecret, its host the base URL
    (``https://api.weixin.qq.com`` where empty).

    :param wechat_conn_id: the Airflow connection
    """

    conn_name_attr = "wechat_conn_id"
    default_conn_name = "wechat_default"
    conn_type = CONN_TYPE
    hook_name = HOOK_NAME

    def __init__(self, wechat_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.wechat_conn_id = wechat_conn_id

    def get_conn(self) -> WeChatClient:
        """Return :attr:`client`, by the name Airflow's hooks have for it."""
        return self.client

    @cached_property
    def client(self) -> WeChatClient:
        """The client, made once: all calls through this hook share one token and its connections.

        :raises FixCredentialsError: for a connection without AppID or AppSecret
        :raises ValueError: for a base URL or timeout that is not allowed
        """
        return client_of(self.get_connection(self.wechat_conn_id))

    def fetch(self, report: Report | str, period: Period) -> list[Row]:
        """Ask WeChat for one period; see :meth:`airflow_wechat.client.client.WeChatClient.fetch`.

        :param report: the report or its name
        """
        return self.client.fetch(get_report(report) if isinstance(report, str) else report, period)

    def test_connection(self) -> tuple[bool, str]:
        """Ask WeChat for a token, to tell a right from a wrong AppSecret; the Test button calls it.

        :return: whether it worked, and what WeChat said
        """
        try:
            self.client.check_credentials()
        except (WeChatError, ValueError) as error:
            return False, str(error)
        return True, f"WeChat accepts AppID and AppSecret of {self.client.app_id}"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how the connection form differs from Airflow's own; read up to Airflow 3.1."""
        return UI_FIELD_BEHAVIOUR

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields that are stored in Extra; read up to Airflow 3.1."""
        from wtforms import StringField

        return {
            name: StringField(field["label"], description=field["description"])
            for name, field in CONN_FIELDS.items()
        }


def client_of(connection: Connection) -> WeChatClient:
    """Make a client with what a connection says.

    :raises FixCredentialsError: for a connection without AppID or AppSecret
    :raises ValueError: for a base URL or timeout that is not allowed
    """
    app_id = connection.login or ""
    transport = Transport(_base_url(connection), timeout=_timeout(connection.extra_dejson.get("timeout")))
    return WeChatClient(app_id, transport, StableToken(transport, app_id, connection.password or ""))


def _base_url(connection: Connection) -> str:
    host = connection.host or DEFAULT_BASE_URL
    return f"{host}:{connection.port}" if connection.port else host


def _timeout(value: Any) -> float:
    if value in (None, ""):
        return DEFAULT_TIMEOUT
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"timeout={value!r} in the connection's Extra is not allowed: give seconds above 0")
    return seconds
