"""Asking a sandbox through a bad line, and what may come of it."""

from __future__ import annotations

import pickle
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import trustme
from tenacity import wait_none

from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import WeChatError
from airflow_wechat.client.periods import Period
from airflow_wechat.client.reports import Row
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.token_sources.stable import StableToken
from airflow_wechat.client.token_sources.supplied import GivenToken
from airflow_wechat.client.transport import Network, Transport
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.numbers import entry_of
from bad_line import BadLine
from canaries import spelled_in, told
from client.line_faults import PERIOD
from client.sandboxed import DAILY

PATIENT = 30.0
"""Seconds that even a busy machine does not take for an answer."""
SHORT = 0.5
"""Seconds to wait for what never comes."""

OTHERS = ("api.weixin.qq.com", "127.0.0.2", "localhost")
"""Whom a certificate may be for that is not the sandbox's."""

DOCUMENTED = {WeChatError, *WeChatError.__subclasses__()}


class Asker:
    """Asks a sandbox through a line, each time on a connection of its own."""

    def __init__(
        self, sandbox: Sandbox, url: str, *, ca_bundle: str | None = None, proxy: str | None = None
    ) -> None:
        self.sandbox = sandbox
        self.url = url
        self.token = Secret(sandbox.stable_token(sandbox.app))
        self.app_secret = Secret(sandbox.app.secret)
        self._ca_bundle = ca_bundle
        self._proxy = Secret(proxy) if proxy else None

    def row(self, period: Period = PERIOD, **options: Any) -> Row:
        """Fetch a period; only the report is asked for."""
        return self.client(**options).fetch(DAILY, period)[0]

    def client(self, **options: Any) -> WeChatClient:
        tokens = GivenToken(self.token, "access_token")
        return WeChatClient(self.sandbox.app.app_id, self._transport(**options), tokens)

    def new_token(self, **options: Any) -> Secret:
        """Ask for an access token, and for nothing else."""
        return StableToken(self._transport(**options), self.sandbox.app.app_id, self.app_secret).token()

    def _transport(self, *, timeout: float = PATIENT, tries: int = 1) -> Transport:
        network = Network(timeout, self._proxy, self._ca_bundle)
        return Transport(self.url, network, tries=tries, waits=wait_none())

    def check_row(self, row: Row, period: Period = PERIOD) -> None:
        """See that a row is what WeChat says about a period, and nothing else."""
        said = entry_of(self.sandbox.app.app_id, period, DAILY.fields)
        expected = {"app_id": self.sandbox.app.app_id, "period_start": str(period.start), **(said or {})}
        expected |= {"period_end": str(period.end), "extra": None}
        assert {name: row[name] for name in row if name != "fetched_at"} == expected

    def check_error(self, error: BaseException) -> None:
        """See that an error is one of the documented ones, survives pickling and tells no secret."""
        assert type(error) in DOCUMENTED, f"{type(error)} is not documented"
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        assert spelled_in(told(error), self.token, self.app_secret) == []


def address_of(sandbox: Sandbox) -> tuple[str, int]:
    parts = urlsplit(sandbox.url)
    assert parts.hostname and parts.port
    return parts.hostname, parts.port


@contextmanager
def certified(*names: str) -> Iterator[tuple[ssl.SSLContext, str]]:
    """Make a certificate for some names; give the server's side of it, and a file that vouches for it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    with authority.cert_pem.tempfile() as file:
        yield context, file


@contextmanager
def behind_proxy(sandbox: Sandbox) -> Iterator[tuple[str, str, BadLine]]:
    """Put a sandbox behind TLS, behind a proxy.

    Gives the sandbox's address, a file that vouches for it, and the proxy.
    """
    with (
        certified("127.0.0.1") as (context, ca_bundle),
        BadLine(address_of(sandbox), context) as ends_tls,
        BadLine(ends_tls.address, proxy=True) as proxy,
    ):
        yield ends_tls.url, ca_bundle, proxy
