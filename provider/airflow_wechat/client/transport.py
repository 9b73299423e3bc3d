"""HTTPS to WeChat: the one place that sees a token or a secret in a URL.

Nothing that leaves this module, be it an answer, an error or a log line, carries what a request sent as
a secret.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tenacity.wait import wait_base

from airflow_wechat.client.answers import Answer, decode, raise_for_errcode
from airflow_wechat.client.errors import CheckAnswerError, TryAgainError, WeChatError

DEFAULT_BASE_URL = "https://api.weixin.qq.com"
DEFAULT_TIMEOUT = 30.0

_CONNECTIONS = 64  # kept open at most; more at once than anybody asks with
_TRIES = 4
_WAITS = wait_random_exponential(multiplier=0.5, max=8)
_MAX_BODY = 4 * 1024 * 1024
_HIDDEN = "***"
_SHORTEST_SECRET = 8  # WeChat's have 32 characters and more; hiding "b" would garble every answer
_HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Transport:
    """Posts JSON to one of WeChat's hosts and gives the JSON object it answers.

    Passing troubles (errcodes -1, 61504, 45011, HTTP 5xx and 429, a lost connection, a time-out) are asked
    again up to three times, with growing, jittered waits. Redirects are not followed, certificates always
    verified. Threads may share one.

    :param base_url: where WeChat is; plain http only for loopback
    :param timeout: seconds to wait for the connection, and again for each part of the answer
    :param waits: the waits between tries
    :raises ValueError: for a base URL that is not allowed
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        waits: wait_base = _WAITS,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self._timeout = timeout
        self._retrying = Retrying(
            stop=stop_after_attempt(_TRIES),
            wait=waits,
            retry=retry_if_exception_type(TryAgainError),
            reraise=True,
        )

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        access_token: str | None = None,
        secret: str | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """Post a body and return the answer, which is a success.

        :param path: the path of the call, as ``/datacube/…``
        :param body: what to send, as JSON
        :param access_token: goes into the query
        :param secret: the AppSecret, which goes into the body; errcodes then mean what they mean on an
            endpoint that takes it
        :param repeatable: whether passing troubles are asked again
        :raises WeChatError: the class that the trouble stands for
        """
        secrets = [text for text in (access_token, secret) if text and len(text) >= _SHORTEST_SECRET]
        payload = dict(body, secret=secret) if secret else body
        query = {"access_token": access_token} if access_token else None

        def attempt() -> Answer:
            answer = decode(_hide(self._send(path, payload, query, secrets), secrets), path)
            raise_for_errcode(answer, path, token_endpoint=secret is not None)
            return answer

        return self._retrying(attempt) if repeatable else attempt()

    def _send(
        self, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None, secrets: Iterable[str]
    ) -> bytes:
        failure: WeChatError
        try:
            response = self._session.post(
                self.base_url + path,
                params=query,
                data=json.dumps(body, separators=(",", ":")).encode(),
                headers={"Content-Type": "application/json"},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with response:
                _raise_for_status(response, path)
                return _read(response, path)
        except requests.RequestException as error:
            failure = _failure(error, path, secrets)
        raise failure  # outside the handler: requests' exceptions carry the URL, and a chain would show it

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = self.base_url.startswith("https:")  # a proxy is not loopback
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_maxsize=_CONNECTIONS)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


def check_base_url(base_url: str) -> str:
    """Return a base URL without its last slash; a bare host means https.

    :raises ValueError: for plain http to another host than loopback, and for anything but scheme, host,
        port and path
    """
    url = base_url.strip()
    scheme, _, rest = url.rpartition("://")
    url = f"{scheme.lower() or 'https'}://{rest}".rstrip("/")
    parts = _parts(url)
    if parts is None:
        raise ValueError(f"base URL cannot be read: give https://HOST, as {DEFAULT_BASE_URL}")
    if parts.username is not None or "?" in url or "#" in url:
        raise ValueError(f"base URL for {parts.hostname!r} must not carry a user, a query or a fragment")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base URL {base_url!r} is not allowed: give https://HOST, as {DEFAULT_BASE_URL}")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            f"base URL {base_url!r} is not allowed: plain http would show the AppSecret to the network; "
            f"give https://{parts.hostname} (http is for loopback only)"
        )
    return url


def _parts(url: str) -> SplitResult | None:
    with suppress(ValueError):  # its words, and so a chain, may hold a password
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is none
        return parts
    return None


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _raise_for_status(response: requests.Response, path: str) -> None:
    status = response.status_code
    # Not the server's own words: they may hold the URL.
    said = f"HTTP {status} {_PHRASES.get(status, '')}".strip()
    if status >= 500 or status == 429:
        raise TryAgainError(said, path=path)
    if status != 200:
        raise CheckAnswerError(f"{said}, expected 200", path=path)


def _read(response: requests.Response, path: str) -> bytes:
    body = b""
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > _MAX_BODY:
            raise CheckAnswerError(f"an answer of more than {_MAX_BODY} bytes", path=path)
    return body


def _failure(error: requests.RequestException, path: str, secrets: Iterable[str]) -> WeChatError:
    inner = error.args[0] if error.args else ""
    inner = getattr(inner, "reason", None) or inner
    words = _hide(f"{type(error).__name__}: {inner}".encode(), secrets).decode()
    hung_up = any(isinstance(cause, _HUNG_UP) for cause in getattr(inner, "args", ()))
    if isinstance(error, requests.exceptions.SSLError) and not hung_up:
        return CheckAnswerError(words, path=path)
    return TryAgainError(words, path=path)


def _hide(text: bytes, secrets: Iterable[str]) -> bytes:
    for secret in secrets:
        text = _written(secret).sub(_HIDDEN.encode(), text)
    return text


@lru_cache(maxsize=16)
def _written(secret: str) -> re.Pattern[bytes]:
    """Match a secret however its characters are written: raw, percent-encoded or escaped in JSON."""
    return re.compile("".join(map(_forms, secret)).encode())


def _forms(char: str) -> str:
    percent = "".join(f"%{byte:02x}" for byte in char.encode())
    plus = r"|\+" if char == " " else ""
    return rf"(?:\\?{re.escape(char)}|(?i:{percent}|\\u{ord(char):04x}){plus})"


class _HideQuery(logging.Filter):
    """Hides credentials in the URLs that urllib3 logs."""

    _CREDENTIAL = re.compile(r"((?:access_token|secret)=)[^&\s\"']*")

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        hidden = self._CREDENTIAL.sub(rf"\1{_HIDDEN}", message)
        if hidden != message:
            record.msg, record.args = hidden, ()
        return True


for _logger in ("connection", "connectionpool", "poolmanager", "util.retry"):
    logging.getLogger(f"urllib3.{_logger}").addFilter(_HideQuery())
