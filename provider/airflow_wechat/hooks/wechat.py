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
    transport = Transport(_base_url(connection), timeout=_timeout(_extra(connection).get("timeout")))
    return WeChatClient(app_id, transport, StableToken(transport, app_id, connection.password or ""))


# Of the contract, but not served yet: a connection that counts on one must not go another way in silence.
_NOT_SERVED = (
    *("token_source", "access_token", "token_url", "token_path", "expires_path"),
    *("component_appid", "component_access_token", "authorizer_refresh_token"),
    *("route", "cloud_env", "cloud_function_name"),
    *("sym_key", "sym_sn", "private_key", "certificate", "certificate_sn"),
    *("proxy", "ca_bundle"),
)


def _extra(connection: Connection) -> dict[str, Any]:
    extra: Any = connection.extra_dejson
    if not isinstance(extra, dict):
        raise ValueError(f"the connection's Extra is {type(extra).__name__}, expected a JSON object")
    for name in _NOT_SERVED:
        if extra.get(name):
            raise ValueError(f"{name} in the connection's Extra is not supported by this version: remove it")
    return extra


def _base_url(connection: Connection) -> str:
    host = connection.host or DEFAULT_BASE_URL
    if not connection.port:
        return host
    scheme, _, rest = host.rpartition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme or 'https'}://{place}:{connection.port}{slash}{path}"


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
