"""The way to WeChat's host: its name, and its certificate. Speaks to the host itself, not to its API."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from airflow_wechat.doctor.findings import State, Verdict
from airflow_wechat.doctor.patient import Access, Patient

_HTTPS_PORT = 443
_ENDS_SOON = timedelta(days=14)
_SHOWN_ADDRESSES = 4

Found = TypeVar("Found")


@dataclass(frozen=True)
class _Place:
    """Where a connection leads.

    :param aside: why there is nothing to look at here; empty where there is
    :param trusted: a file or folder of certificates
    """

    host: str
    port: int
    timeout: float
    trusted: str
    aside: str = ""

    @classmethod
    def of(cls, access: Access) -> _Place:
        url, options = access.client.base_url, access.options
        proxies = {"https": options["proxy"]} if "proxy" in options else {}
        # By the rules that the requests themselves follow.
        rules = requests.Session().merge_environment_settings(
            url, proxies, None, options["ca_bundle"] or True, None
        )
        return cls(
            host=urlsplit(url).hostname or "",
            port=urlsplit(url).port or _HTTPS_PORT,
            timeout=float(options["timeout"]),
            trusted=DEFAULT_CA_BUNDLE_PATH if rules["verify"] is True else str(rules["verify"]),
            aside=_aside(url, rules["proxies"], "connection's" if "proxy" in options else "environment's"),
        )

    def __str__(self) -> str:
        return self.host if self.port == _HTTPS_PORT else f"{self.host}:{self.port}"


def _aside(url: str, proxies: Mapping[str, str], whose: str) -> str:
    if url.startswith("http:"):
        return "plain http: the requests themselves show whether it answers"
    if select_proxy(url, proxies):
        return f"through the {whose} proxy: the requests themselves show whether it works"
    return ""


def dns(patient: Patient) -> Verdict:
    """Look up the addresses of WeChat's host."""
    place = _Place.of(patient.access)
    if place.aside:
        return Verdict(State.SKIPPED, place.aside)
    to_do = "correct the host in the connection, or mend this machine's DNS"
    try:
        found = within(
            place.timeout, lambda: socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        )
    except TimeoutError:
        return Verdict(State.FAILED, f"no answer for {place.host} within {place.timeout:g} s", to_do)
    except (OSError, UnicodeError) as error:
        return Verdict(State.FAILED, f"{place.host} is not found: {_told(error)}", to_do)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    more = " …" if len(addresses) > _SHOWN_ADDRESSES else ""
    return Verdict(State.OK, f"{place.host} is {', '.join(addresses[:_SHOWN_ADDRESSES])}{more}")


def tls(patient: Patient) -> Verdict:
    """Open a verified connection to WeChat's host, and see when its certificate ends."""
    place = _Place.of(patient.access)
    if place.aside:
        return Verdict(State.SKIPPED, place.aside)
    try:
        context = _trusting(place.trusted)
    except OSError as error:
        return Verdict(
            State.FAILED,
            f"no certificates in {place.trusted}: {_told(error)}",
            "correct REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE in the environment",
        )
    try:
        version, ends = _handshake(place, context)
    except ssl.SSLCertVerificationError as error:
        return Verdict(
            State.FAILED,
            f"the certificate of {place} is not accepted: {error.verify_message}",
            "where a gateway of your own stands between, name its certificates in ca_bundle; else see "
            "whether this machine's clock is right, and who answers in WeChat's place",
        )
    except OSError as error:
        return Verdict(
            State.FAILED,
            f"no TLS connection to {place}: {_told(error)}",
            f"let this machine reach {place.host}, port {place.port}, or name a proxy in the connection",
        )
    return _verdict_on_end(place, version, ends, patient.now())


def _trusting(place: str) -> ssl.SSLContext:
    if Path(place).is_dir():
        return ssl.create_default_context(capath=place)
    return ssl.create_default_context(cafile=place)


def _handshake(place: _Place, context: ssl.SSLContext) -> tuple[str, datetime]:
    with (
        socket.create_connection((place.host, place.port), place.timeout) as plain,
        context.wrap_socket(plain, server_hostname=place.host) as secure,
    ):
        certificate = secure.getpeercert() or {}
        ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        return secure.version() or "TLS", datetime.fromtimestamp(ends, UTC)


def _verdict_on_end(place: _Place, version: str, ends: datetime, now: datetime) -> Verdict:
    left = ends - now
    words = f"{version}, the certificate of {place} ends {ends:%Y-%m-%d}, in {left.days} days"
    if left < _ENDS_SOON:
        return Verdict(State.WARNING, words, f"see that whoever runs {place.host} renews it in time")
    return Verdict(State.OK, words)


def within(seconds: float, do: Callable[[], Found]) -> Found:
    """Return what a function returns, which knows no time-out of its own.

    :raises TimeoutError: where it takes longer; it is left alone then, and ends with the process
    """
    future: Future[Found] = Future()

    def run() -> None:
        try:
            future.set_result(do())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future.result(seconds)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
