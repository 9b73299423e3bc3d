"""A clock to turn by hand, and short ways to ask a sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import requests
from tenacity import wait_none

from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.client.tokens import StableToken
from airflow_wechat.client.transport import Transport
from airflow_wechat.sandbox import Sandbox

DAILY, WEEKLY, MONTHLY = REPORTS.values()
STABLE = "/cgi-bin/stable_token"
CLASSIC = "/cgi-bin/token"
QUOTA = "/cgi-bin/openapi/quota/get"


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

    def errcode(self, token: str) -> int:
        """What yesterday's report says with a token: 0 where it is good."""
        day = f"{self.sandbox.clock() - timedelta(days=2):%Y%m%d}"
        return self.report(day, token=token).get("errcode", 0)


def client_of(sandbox: Sandbox) -> WeChatClient:
    """Make the client that the provider uses, which does not wait between its tries."""
    transport = Transport(sandbox.url, waits=wait_none())
    tokens = StableToken(transport, sandbox.app.app_id, sandbox.app.secret)
    return WeChatClient(sandbox.app.app_id, transport, tokens, sandbox.clock)
