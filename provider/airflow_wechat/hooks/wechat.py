"""An Airflow connection turned into a client of WeChat."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from airflow.providers.common.compat.sdk import BaseHook

from airflow_wechat.client.assembly import Settings, client_from
from airflow_wechat.client.base_url import DEFAULT_BASE_URL
from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import WeChatError
from airflow_wechat.client.options import OPTIONS, Options
from airflow_wechat.client.reports import Report, Row, get_report
from airflow_wechat.client.tokens import Proof
from airflow_wechat.hooks.kept_secrets import KeptRefreshToken, mask_secrets
from airflow_wechat.provider_info import CONN_TYPE, HOOK_NAME, UI_FIELD_BEHAVIOUR

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_wechat.client.periods import Period


class WeChatHook(BaseHook):
    """Talks to WeChat as a connection says.

    The connection's login is the AppID, its password the AppSecret, its host the base URL
    (``https://api.weixin.qq.com`` where empty); other ways to a token and to WeChat are options in its Extra,
    see :data:`airflow_wechat.client.options.OPTIONS`.

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

        :raises FixCredentialsError: for a connection without AppID, or without AppSecret where one is needed
        :raises ValueError: for a base URL or an option that is not allowed
        """
        return client_of(self.get_connection(self.wechat_conn_id))

    @cached_property
    def shared_client(self) -> WeChatClient:
        """As :attr:`client`, but one for all hooks of this process whose connections say the same.

        For triggers, of which hundreds may wait in one process: one token and few connections serve them
        all. It lives for as long as one of the hooks does.
        """
        connection = self.get_connection(self.wechat_conn_id)
        with _SHARING:
            client = _SHARED.get(said := _what_it_says(connection))
            if client is None:
                client = _SHARED[said] = client_of(connection)
        return client

    def fetch(self, report: Report | str, period: Period) -> list[Row]:
        """Ask WeChat for one period; see :meth:`airflow_wechat.client.client.WeChatClient.fetch`.

        :param report: the report or its name
        """
        return self.client.fetch(get_report(report) if isinstance(report, str) else report, period)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for a token, and try one that was supplied on WeChat; the Test button calls it.

        :return: whether it worked, and what WeChat said
        """
        try:
            proof = self.client.check_credentials()
        except (WeChatError, ValueError) as error:
            return False, str(error)
        if proof is Proof.NONE:
            return True, "The connection is complete; whether WeChat agrees, only a report shows"
        return True, f"WeChat accepts what this connection says of {self.client.app_id}"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how the connection form differs from Airflow's own; read up to Airflow 3.1."""
        return UI_FIELD_BEHAVIOUR

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields that are stored in Extra; read up to Airflow 3.1."""
        from wtforms import PasswordField, StringField

        return {
            name: (PasswordField if option.secret else StringField)(option.label, description=option.help)
            for name, option in OPTIONS.items()
        }


_SHARED: WeakValueDictionary[tuple[str | int | None, ...], WeChatClient] = WeakValueDictionary()
_SHARING = threading.Lock()


def _what_it_says(connection: Connection) -> tuple[str | int | None, ...]:
    login = connection.login, connection.password
    return connection.conn_id, connection.host, connection.port, *login, connection.extra


def client_of(connection: Connection, **client_options: Any) -> WeChatClient:
    """Make a client with what a connection says.

    :param client_options: as :func:`~airflow_wechat.client.assembly.client_from` takes them
    :raises FixCredentialsError: for a connection without AppID, or without an AppSecret where one is needed
    :raises ValueError: for a connection of another type, whose password is none of WeChat's business, and for
        a base URL or an option that is not allowed
    """
    if connection.conn_type != CONN_TYPE:
        raise ValueError(
            f"the connection {connection.conn_id!r} is of the type {connection.conn_type!r}: "
            f"give one of the type {CONN_TYPE!r}"
        )
    options = options_of(connection)
    app_id = app_id_of(connection)
    settings = Settings(
        app_id=app_id,
        app_secret=(connection.password or "").strip(),
        base_url=_base_url(connection),
        options=options,
        reread=lambda: options_of(BaseHook.get_connection(connection.conn_id or "")),
        keep_refresh_token=lambda changed: KeptRefreshToken(app_id, _given_options(connection)).keep(changed),
    )
    return client_from(settings, **client_options)


def options_of(connection: Connection) -> Options:
    """Return the options of a connection, with the refresh token that WeChat has changed its own to, if any.

    :raises ValueError: for an Extra that is not allowed
    """
    given = _given_options(connection)
    mask_secrets(given)
    return KeptRefreshToken(app_id_of(connection), given).options()


def app_id_of(connection: Connection) -> str:
    """Return the AppID of a connection, which its rows carry; empty where it has none."""
    return (connection.login or "").strip()


def _given_options(connection: Connection) -> Options:
    return Options.read(_extra(connection))


def _extra(connection: Connection) -> object:
    # Not extra_dejson: it takes what is no JSON for an empty object, and an AppSecret would be sent.
    with suppress(ValueError, RecursionError):  # its chain would hold the whole text
        return json.loads((connection.extra or "").strip() or "{}")
    raise ValueError("the connection's Extra is no JSON: correct it, Airflow passes over what it says")


def _base_url(connection: Connection) -> str:
    host = connection.host or DEFAULT_BASE_URL
    if not connection.port:
        return host
    scheme, _, rest = host.rpartition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme or 'https'}://{place}:{connection.port}{slash}{path}"
