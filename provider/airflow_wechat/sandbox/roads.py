"""The roads to the reports, as data: what a connection says to take each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_wechat.cloud_function import FUNCTION_NAME
from airflow_wechat.sandbox.cloud import CLOUD_ENV

if TYPE_CHECKING:
    from airflow_wechat.sandbox.server import Sandbox
    from airflow_wechat.sandbox.tokens import App

Extra = dict[str, str]


@dataclass(frozen=True)
class Road:
    """A way for a connection to get to the reports.

    :param description: what it is, in a few words
    :param options: gives the connection's Extra
    :param rule: the sandbox's rule, and what it must be lest WeChat refuse the road
    :param secretless: whether the connection needs no AppSecret
    :param first_app_only: whether it leads to the sandbox's first app only
    """

    description: str
    options: Callable[[Sandbox, App], Extra]
    rule: tuple[str, bool | str] | None = None
    secretless: bool = False
    first_app_only: bool = False

    def __call__(self, sandbox: Sandbox, app: App) -> Extra:
        """Return the connection's Extra."""
        return self.options(sandbox, app)

    def leads_to(self, sandbox: Sandbox, app: App) -> bool:
        """Tell whether it leads to an app."""
        return app == sandbox.app or not self.first_app_only


def _supplied(sandbox: Sandbox, app: App) -> Extra:
    return {"token_source": "supplied", "access_token": sandbox.stable_token(app)}


def _token_server(sandbox: Sandbox, app: App) -> Extra:
    return {
        "token_source": "supplied",
        **_served(sandbox.url + sandbox.token_server.app_query(app.app_id)),
    }


def _authorizer(sandbox: Sandbox, app: App) -> Extra:
    return _authorized(sandbox, app) | {"component_access_token": sandbox.component.access_token}


def _authorizer_by_server(sandbox: Sandbox, app: App) -> Extra:
    return _authorized(sandbox, app) | _served(sandbox.url + sandbox.token_server.component_query())


def _authorized(sandbox: Sandbox, app: App) -> Extra:
    return {
        "token_source": "authorizer",
        "component_appid": sandbox.component.app_id,
        "authorizer_refresh_token": sandbox.component.refresh_token(app.app_id),
    }


def _served(url: str) -> Extra:
    return {"token_url": url, "token_path": "data.access_token", "expires_path": "data.expires_in"}


def _cloud_function(_: Sandbox, __: App) -> Extra:
    return {"route": "cloud_function", "cloud_env": CLOUD_ENV, "cloud_function_name": FUNCTION_NAME}


def _sealed(sandbox: Sandbox, app: App) -> Extra:
    return sandbox.sealed_side(app).extra


ROADS: Mapping[str, Road] = MappingProxyType(
    {
        "stable": Road("stable_token: everybody with the AppSecret gets the same token", lambda *_: {}),
        "classic": Road(
            "/cgi-bin/token: each call makes a new token", lambda *_: {"token_source": "classic"}
        ),
        "supplied": Road("a token that stands in the connection", _supplied, secretless=True),
        "token_server": Road("tokens of a company's own token server", _token_server, secretless=True),
        "authorizer": Road("tokens of a third-party platform", _authorizer, secretless=True),
        "authorizer_by_server": Road(
            "the same, the platform's own token by a token server", _authorizer_by_server, secretless=True
        ),
        "cloud_function": Road("the cloud call of a cloud function", _cloud_function),
        "cloud_run": Road(
            "inside WeChat Cloud Run, without any token",
            lambda *_: {"token_source": "none"},
            rule=("cloud_run", True),
            secretless=True,
            first_app_only=True,
        ),
        "sealed": Road("encrypted and signed calls", _sealed, rule=("sealed", "optional")),
    }
)
"""Every road by its name."""


def road_of(name: str) -> Road:
    """Return the road of a name.

    :raises ValueError: for a name that is no road's
    """
    if name not in ROADS:
        raise ValueError(f"road {name!r} is not allowed: give {', '.join(ROADS)}")
    return ROADS[name]


def connection_of(sandbox: Sandbox, app: App, name: str) -> dict[str, str]:
    """Return the Airflow connection to an app by a road, as Airflow takes it in JSON.

    :raises ValueError: for a name that is no road's, and for a road that does not lead to the app
    """
    road = road_of(name)
    if not road.leads_to(sandbox, app):
        raise ValueError(f"road {name!r} leads to {sandbox.app.app_id} only, not to {app.app_id}")
    extra = road(sandbox, app)
    if sandbox.rules.sealed is True and extra.get("route", "https") == "https":
        extra |= _sealed(sandbox, app)  # must be, so whatever the token source
    return {
        "conn_type": "wechat",
        "login": app.app_id,
        **({} if road.secretless else {"password": app.secret}),
        "host": sandbox.url,
        **({"extra": json.dumps(extra)} if extra else {}),
    }
