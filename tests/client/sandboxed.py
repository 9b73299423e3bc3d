"""A clock to turn by hand, and short ways to ask a sandbox."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import requests
from tenacity import wait_none

from airflow_wechat.client.assembly import Settings, client_from
from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.options import Options
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.client.token_sources.stable import StableToken
from airflow_wechat.client.transport import Transport
from airflow_wechat.sandbox import Sandbox

DAILY, WEEKLY, MONTHLY = REPORTS.values()
STABLE = "/cgi-bin/stable_token"
CLASSIC = "/cgi-bin/token"
QUOTA = "/cgi-bin/openapi/quota/get"
AUTHORIZER = "/cgi-bin/component/api_authorizer_token"
INVOKE = "/tcb/invokecloudfunction"


class HandClock:
    """Stands still at Monday noon in Beijing until it is set or turned on."""

    def __init__(self) -> None:
        self.set("2026-11-23T12:00:00+08:00")

    def __call__(self) -> datetime:
        return self.now

    def set(self, moment: str) -> None:
        self.now = datetime.fromisoformat(moment)

    def turn_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Caller:
    """Asks over HTTP, on one kept connection, and gives the JSON that comes back."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()

    def send(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, self.sandbox.url + path, timeout=20, **kwargs)

    def post(self, path: str, body: Any, **query: str) -> Any:
        return self.send("POST", path, params=query, json=body).json()

    def stable(self, **changes: Any) -> Any:
        return self.post(STABLE, self.credentials() | changes)

    def classic(self, **changes: Any) -> Any:
        return self.send("GET", CLASSIC, params=self.credentials() | changes).json()

    def credentials(self) -> dict[str, Any]:
        app = self.sandbox.app
        return {"grant_type": "client_credential", "appid": app.app_id, "secret": app.secret}

    def report(self, begin: Any, end: Any = None, *, report: Any = DAILY, token: str | None = None) -> Any:
        token = self.stable()["access_token"] if token is None else token
        return self.post(report.path, {"begin_date": begin, "end_date": end or begin}, access_token=token)

    def authorizer(self, *, token: str | None = None, **changes: Any) -> Any:
        component, app = self.sandbox.component, self.sandbox.app
        body = {
            "component_appid": component.app_id,
            "authorizer_appid": app.app_id,
            "authorizer_refresh_token": component.refresh_token(app.app_id),
        }
        token = component.access_token if token is None else token
        return self.post(AUTHORIZER, body | changes, component_access_token=token)

    def invoke(self, event: Any, **query: str) -> Any:
        """What the invocation of the cloud function answers."""
        query = {"env": "sandbox-env", "name": "wechatReports"} | query
        return self.post(INVOKE, event, **({"access_token": self.stable()["access_token"]} | query))

    def errcode(self, token: str) -> int:
        """What yesterday's report says with a token: 0 where it is good."""
        day = f"{self.sandbox.clock() - timedelta(days=2):%Y%m%d}"
        return self.report(day, token=token).get("errcode", 0)


def client_of(sandbox: Sandbox) -> WeChatClient:
    """Make the client that the provider uses, which does not wait between its tries."""
    transport = Transport(sandbox.url, waits=wait_none())
    tokens = StableToken(transport, sandbox.app.app_id, sandbox.app.secret)
    return WeChatClient(sandbox.app.app_id, transport, tokens, clock=sandbox.clock)


def settings_of(connection: dict[str, str], **changes: str) -> Settings:
    """Read a connection as the hook does.

    :param changes: to its Extra
    """
    return Settings(
        connection["login"],
        connection.get("password", ""),
        connection["host"],
        Options.read(json.loads(connection.get("extra", "{}")) | changes),
    )


def client_by(road: str, sandbox: Sandbox, **changes: str) -> WeChatClient:
    """Make the client of a connection that takes a road; it does not wait between its tries.

    :param changes: to the connection's Extra
    """
    return client_from(settings_of(sandbox.connection_of(sandbox.app, road), **changes), waits=wait_none())
