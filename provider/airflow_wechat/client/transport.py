"""HTTPS to WeChat: the one place that sees a token or a secret in a URL.

Nothing that leaves this module, be it an answer, an error or a log line, carries what a request sent as
a :class:`~airflow_wechat.client.secret.Secret`; only the answer of a token server is given as it came,
because it may have words of its own in common with the query.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
import urllib3
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tenacity.wait import wait_base

from airflow_wechat.client.answers import Answer, checked, decode
from airflow_wechat.client.base_url import DEFAULT_BASE_URL, check_base_url
from airflow_wechat.client.bounded import MOST_RECEIVED, BoundedAdapter, TooLongError, whole
from airflow_wechat.client.errors import (
    CheckAnswerError,
    FixCredentialsError,
    FixRequestError,
    TryAgainError,
    WeChatError,
)
from airflow_wechat.client.options import OPTIONS
from airflow_wechat.client.secret import HIDDEN, Secret, hide, secrets_in

if TYPE_CHECKING:
    from airflow_wechat.client.sealing import Sealer

DEFAULT_TIMEOUT = float(OPTIONS["timeout"].default)

_CONNECTIONS = 64  # kept open at most; more at once than anybody asks with
_TRIES = 4
_WAITS = wait_random_exponential(multiplier=0.5, max=8)
_MAX_BODY = 4 * 1024 * 1024
_HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
_SETTINGS = (
    "see whether the connection names a host, a proxy and a ca_bundle that can be, and in the environment "
    "HTTPS_PROXY a proxy (socks needs PySocks), REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE a file"
)
_PROXY = (
    "see whether proxy in the connection's Extra, or HTTPS_PROXY in the environment, is right, with user and "
    "password where the proxy wants them, and whether it lets this host through"
)
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_SEALED = "/datacube/"  # of the paths we call, the ones that WeChat takes encrypted and signed

Query = Mapping[str, str] | Secret
"""By its names, or as a whole that is sent as it is and hidden as it is."""

Read = Callable[[Answer], Answer]
"""Makes of an answer what the caller wants of it, or raises what it stands for."""


@dataclass(frozen=True)
class Network:
    """How to reach a host.

    :param timeout: seconds that a request may take, from connecting to the last byte of its answer
    :param proxy: the URL of a proxy for https; without one, the environment's settings count
    :param ca_bundle: a file of certificates to trust instead of the usual ones
    """

    timeout: float = DEFAULT_TIMEOUT
    proxy: Secret | None = None
    ca_bundle: str | None = None

    @cached_property
    def secrets(self) -> list[str]:
        """What of it nobody may read: the proxy's password, also as the header that carries it."""
        parts = urlsplit(self.proxy or "")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        header = base64.b64encode(f"{user}:{password}".encode()).decode()
        return secrets_in([Secret(password), Secret(header)] if password else [])


USUAL_NETWORK = Network()
"""As the environment says."""


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    query: Query
    body: Mapping[str, Any] | None
    name: str  # what errors call it: the path, unless that says nothing to a reader
    quoting: bool  # whether an error may quote an answer that cannot be read

    @cached_property
    def secrets(self) -> list[str]:
        if isinstance(self.query, Secret):
            values = secrets_in(Secret(value) for _, value in parse_qsl(self.query))
            return [self.query, *values] if self.query else []
        return secrets_in((*self.query.values(), *(self.body or {}).values()))


class Transport:
    """Exchanges JSON objects with one of WeChat's hosts.

    Passing troubles (errcodes -1, 61504, 45011, HTTP 5xx and 429, a lost connection, a time-out) are asked
    again up to three times, with growing, jittered waits. Redirects are not followed, certificates always
    verified. Threads may share one.

    :param base_url: where WeChat is; plain http only for loopback
    :param tokenless: neither secret nor token is ever sent; then plain http to WeChat's own host is allowed,
        as a container inside WeChat Cloud Run needs it
    :param sealer: encrypts and signs the calls of reports, where the account asks for that
    :param tries: how often a call is made at most, where troubles pass
    :param waits: the waits between tries
    :raises ValueError: for a base URL that is not allowed
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        network: Network = USUAL_NETWORK,
        *,
        tokenless: bool = False,
        sealer: Sealer | None = None,
        tries: int = _TRIES,
        waits: wait_base = _WAITS,
    ) -> None:
        self.base_url = check_base_url(base_url, tokenless=tokenless)
        self.clock_ahead: float | None = None
        """Seconds by which this machine's clock was ahead of WeChat's at the last answer, to a second."""
        self._network = network
        self._sealer = sealer
        self._retrying = Retrying(
            stop=stop_after_attempt(tries),
            wait=waits,
            retry=retry_if_exception_type(TryAgainError),
            reraise=True,
        )

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        query: Mapping[str, str] | None = None,
        read: Read | None = None,
        quoting: bool = True,
        repeatable: bool = True,
    ) -> Answer:
        """Post a body and return the answer, which is a success.

        :param path: the path of the call, as ``/datacube/…``
        :param body: what to send, as JSON
        :param query: goes into the URL
        :param read: what to make of the answer; by default it is returned where its errcode says success
        :param quoting: whether an error may quote an answer that cannot be read; not where it gives a token
        :param repeatable: whether passing troubles are asked again
        :raises WeChatError: the class that the trouble stands for
        """
        call = _Call("POST", path, query or {}, body, path, quoting)
        return self._exchange(call, read, repeatable=repeatable)

    def get(self, path: str, query: Query, *, name: str | None = None, read: Read | None = None) -> Answer:
        """Get an answer that gives a token, so that no error quotes it; see :meth:`post`.

        :param name: what errors call it; by default its path
        """
        return self._exchange(_Call("GET", path, query, None, name or path, quoting=False), read)

    def _exchange(self, call: _Call, read: Read | None, *, repeatable: bool = True) -> Answer:
        read = read or partial(checked, path=call.name)

        def attempt() -> Answer:
            hiding = _IN_FLIGHT.set([*call.secrets, *self._network.secrets])
            try:
                body = self._send(call)
            finally:
                _IN_FLIGHT.reset(hiding)
            if not isinstance(call.query, Secret):  # of whose words the answer may have its own
                body = hide(body, call.secrets)
            return read(decode(body, call.name, quoting=call.quoting))

        return self._retrying(attempt) if repeatable else attempt()

    def _send(self, call: _Call) -> bytes:
        sealed = self._sealed(call)
        failure: WeChatError
        try:
            with self._request(call, sealed) as response:
                _raise_for_status(response, call.name)
                self._note_clock(response)
                return sealed.open(response.headers, _read(response, call.name))
        # requests' own exceptions, those about files of certificates, and those about names of hosts
        except (OSError, urllib3.exceptions.HTTPError) as error:
            failure = _failure(error, call.name, _IN_FLIGHT.get())
        raise failure  # outside the handler: requests' exceptions carry the URL, and a chain would show it

    def _request(self, call: _Call, sealed: _Envelope) -> requests.Response:
        url = self.base_url + call.path
        try:
            return self._session.request(
                call.method,
                url,
                params=call.query,
                data=sealed.body,
                headers=sealed.headers,
                timeout=whole(self._network.timeout),  # type: ignore[arg-type]
                proxies={"https": self._network.proxy} if self._network.proxy else None,
                verify=self._network.ca_bundle or True,
                allow_redirects=False,
                stream=True,
            )
        except TypeError:  # requests' own, where the environment's proxy has a user and no host
            proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
            if not proxy or urlsplit(proxy).hostname:
                raise
            raise requests.exceptions.InvalidProxyURL from None

    def _sealed(self, call: _Call) -> _Envelope:
        if call.body is None:
            return _Envelope()
        headers = {"Content-Type": "application/json"}
        if self._sealer is None or not call.path.startswith(_SEALED):
            return _Envelope(json.dumps(call.body, separators=(",", ":")).encode(), headers)
        from airflow_wechat.client.signing import signed_url

        url = signed_url(self.base_url, call.path)
        sealed = self._sealer.seal(url, call.body)
        opened = partial(self._sealer.open, url, path=call.name)
        return _Envelope(sealed.body, headers | sealed.headers, opened)

    def _note_clock(self, response: requests.Response) -> None:
        with suppress(ValueError, OverflowError):
            said = parsedate_to_datetime(response.headers.get("Date", ""))
            self.clock_ahead = round(time.time() - said.timestamp(), 1)

    def wechats_now(self) -> float:
        """Return the present moment, in seconds since 1970, by WeChat's clock, as far as that is known."""
        return time.time() - (self.clock_ahead or 0)

    @cached_property
    def _session(self) -> requests.Session:
        session = _Session()
        session.trust_env = self.base_url.startswith("https:")  # a proxy is not loopback
        session.headers["Accept-Encoding"] = "identity"
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = BoundedAdapter(pool_maxsize=_CONNECTIONS)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


class _Session(requests.Session):
    """Takes no redirect for one: requests reads their targets and bodies even where it follows none."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        return None


@dataclass(frozen=True)
class _Envelope:
    """What goes over the wire for a body, and how what comes back is read."""

    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    open: Callable[[Mapping[str, str], bytes], bytes] = lambda _, body: body


def _raise_for_status(response: requests.Response, path: str) -> None:
    status = response.status_code
    # Not the server's own words: they may hold the URL.
    said = f"HTTP {status} {_PHRASES.get(status, '')}".strip()
    if status >= 500 or status == 429:
        raise TryAgainError(said, path=path)
    if status != 200:
        raise CheckAnswerError(f"{said}, expected 200", path=path)


def _read(response: requests.Response, path: str) -> bytes:
    # Taken away, as not every version of urllib3 knows a bound for what it unpacks.
    coding = response.raw.headers.pop("Content-Encoding", "").strip().lower()
    body = b""
    try:
        for chunk in response.iter_content(65536):
            body += chunk
            _check_size(body, path)
    except ValueError:  # http.client's own, for a chunk of a negative size
        raise TryAgainError("an answer that is no HTTP", path=path) from None
    return _unpacked(body, path) if coding in ("gzip", "x-gzip") else body


def _unpacked(body: bytes, path: str) -> bytes:
    """Unpack an answer that came as gzip, though nobody asked for that."""
    gzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = gzip.decompress(body, _MAX_BODY + 1)
    except zlib.error:
        raise TryAgainError("an answer that is no gzip", path=path) from None
    _check_size(unpacked, path)
    if not gzip.eof:
        raise CheckAnswerError("a gzip answer without its end", path=path)
    return unpacked


def _check_size(body: bytes, path: str) -> None:
    if len(body) > _MAX_BODY:
        raise CheckAnswerError(f"an answer of more than {_MAX_BODY} bytes", path=path)


def _failure(error: Exception, path: str, secrets: Iterable[str]) -> WeChatError:
    kind = type(error).__name__
    if isinstance(error, ValueError):  # no host, or no proxy; its words may hold the password of HTTPS_PROXY
        return FixRequestError(kind, path=path, advice=_SETTINGS)
    reason = _reason(error)
    words = hide(f"{kind}: {reason}".encode(), secrets).decode()
    if not isinstance(error, requests.RequestException):
        return FixRequestError(words, path=path, advice=_SETTINGS)
    return _failure_on_the_line(error, getattr(reason, "args", ()), words, path)


def _reason(error: Exception) -> object:
    """Return what urllib3 has told requests, without the URL that it tried."""
    told = error.args[0] if error.args else ""
    return getattr(told, "reason", None) or told


def _failure_on_the_line(
    error: requests.RequestException, causes: Sequence[object], words: str, path: str
) -> WeChatError:
    if any(isinstance(cause, TooLongError) for cause in causes):
        return CheckAnswerError(f"an answer of more than {MOST_RECEIVED} bytes", path=path)
    if isinstance(error, requests.exceptions.ProxyError):
        refused = f" {HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.value} " in words  # told in words only
        return (FixCredentialsError if refused else TryAgainError)(words, path=path, advice=_PROXY)
    hung_up = any(isinstance(cause, _HUNG_UP) for cause in causes)
    if isinstance(error, requests.exceptions.SSLError) and not hung_up:
        return CheckAnswerError(words, path=path)
    return TryAgainError(words, path=path)


_IN_FLIGHT: ContextVar[Iterable[str]] = ContextVar("_IN_FLIGHT", default=())
"""What the request under way in this thread sends as a secret."""


class _HideSecrets(logging.Filter):
    """Hides credentials in what urllib3 logs: those under way, and whatever else looks like one."""

    _CREDENTIAL = re.compile(r"((?:token|secret)=)[^&\s\"']*")

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None  # it may quote what a server has said of the URL
        message = record.getMessage()
        hidden = hide(message.encode(errors="replace"), _IN_FLIGHT.get()).decode()
        hidden = self._CREDENTIAL.sub(rf"\1{HIDDEN}", hidden)
        if hidden != message:
            record.msg, record.args = hidden, ()
        return True


for _logger in ("connection", "connectionpool", "poolmanager", "util.retry"):
    logging.getLogger(f"urllib3.{_logger}").addFilter(_HideSecrets())
