"""A client made of what a connection says."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from airflow_wechat.client.base_url import DEFAULT_BASE_URL
from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import FixCredentialsError
from airflow_wechat.client.options import SEALING, Options
from airflow_wechat.client.routes import Route, by_cloud_function, by_https
from airflow_wechat.client.secret import Secret, is_sendable
from airflow_wechat.client.token_sources.authorizer import AuthorizerToken
from airflow_wechat.client.token_sources.classic import ClassicToken
from airflow_wechat.client.token_sources.cloud_run import CloudRunToken
from airflow_wechat.client.token_sources.stable import StableToken
from airflow_wechat.client.token_sources.supplied import GivenToken, TokenServer
from airflow_wechat.client.tokens import TokenSource
from airflow_wechat.client.transport import Network, Transport

if TYPE_CHECKING:
    from airflow_wechat.client.sealing import Sealer


@dataclass(frozen=True)
class Settings:
    """What a connection says.

    :param app_id: the Mini Program's AppID
    :param app_secret: its AppSecret; empty where the token source needs none
    :param base_url: where WeChat is
    :param options: the fields of Extra
    :param reread: reads the options again, for a supplied token that has been replaced
    :param keep_refresh_token: takes a changed refresh token to where it is found next time
    """

    app_id: str
    app_secret: str = field(default="", repr=False)
    base_url: str = DEFAULT_BASE_URL
    options: Options = field(default_factory=Options)
    reread: Callable[[], Options] | None = None
    keep_refresh_token: Callable[[Secret], None] = lambda _: None

    def secret(self, name: str) -> Secret:
        """Return a secret option."""
        return Secret(self.options[name])

    def rereading(self, name: str) -> Callable[[], Secret]:
        """Return what reads a secret option again, from where the connection is."""
        reread = self.reread or (lambda: self.options)
        return lambda: Secret(reread()[name])


def client_from(settings: Settings, *, renews: bool = True, **transport_options: Any) -> WeChatClient:
    """Make a client; nothing is asked yet.

    :param renews: whether the client renews a stale token
    :param transport_options: further arguments of
        :class:`~airflow_wechat.client.transport.Transport`: ``tries``, ``waits``
    :raises FixCredentialsError: where AppID or AppSecret are missing, or are none
    :raises ValueError: for a base URL, key, proxy or file that is not allowed, by the field's name
    """
    source = settings.options["token_source"]
    _require(settings.app_id, "AppID (login)")
    if not (settings.app_id.isascii() and settings.app_id.isprintable()):
        raise FixCredentialsError("AppID (login) in the connection holds characters that no AppID has")
    if source in ("stable", "classic"):
        _require(settings.app_secret, "AppSecret (password)")
    network = _network(settings.options)
    sealer = _sealer(settings)
    transport = Transport(
        settings.base_url, network, tokenless=source == "none", sealer=sealer, **transport_options
    )
    tokens = _SOURCES[source](
        settings, transport, partial(_served, settings.options, network, **transport_options)
    )
    return WeChatClient(settings.app_id, transport, tokens, _route(settings.options), renews=renews)


def _require(value: str, name: str) -> None:
    if not value.strip():
        raise FixCredentialsError(f"the connection has no {name}")
    if not is_sendable(value):
        raise FixCredentialsError(f"{name} in the connection holds half a character")


def _network(options: Options) -> Network:
    proxy = Secret(options["proxy"]) or None
    if proxy:
        _check_proxy(proxy)
    ca_bundle = options["ca_bundle"] or None
    if ca_bundle:
        _check_ca_bundle(ca_bundle)
    return Network(float(options["timeout"]), proxy, ca_bundle)


def _check_proxy(proxy: str) -> None:
    # As urllib3 reads it, which is who connects; urlsplit takes a backslash for a part of the password.
    try:
        url = parse_url(proxy)
    except LocationParseError:
        url = Url()
    plain = proxy.isascii() and not (url.path or url.query or url.fragment)
    if not (url.scheme in ("http", "https") and url.host and url.port and plain):
        raise ValueError(
            "proxy in the connection's Extra is not allowed: give http://HOST:PORT, or "
            "http://USER:PASSWORD@HOST:PORT with everything but letters and digits percent-encoded"
        )


def _check_ca_bundle(file: str) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ValueError) as error:  # ssl.SSLError among them
        raise ValueError(
            f"ca_bundle={file!r} in the connection's Extra cannot be used ({error}): give a file of "
            f"certificates, PEM, that every worker can read"
        ) from None


def _sealer(settings: Settings) -> Sealer | None:
    if SEALING[0] not in settings.options:
        return None
    from airflow_wechat.client.sealing import Sealer
    from airflow_wechat.client.sealing_keys import SealingKeys

    return Sealer(settings.app_id, SealingKeys.read(*(settings.options[name] for name in SEALING)))


def _route(options: Options) -> Route:
    if options["route"] == "https":
        return by_https
    return by_cloud_function(options["cloud_env"], options["cloud_function_name"])


Serve = Callable[[], TokenServer]


def _served(options: Options, network: Network, **transport_options: Any) -> TokenServer:
    paths = options["token_path"], options["expires_path"]
    network = replace(network, proxy=None)  # the connection's is for WeChat; this one may be in the house
    return TokenServer(options["token_url"], *paths, network, **transport_options)


def _stable(settings: Settings, transport: Transport, _: Serve) -> TokenSource:
    return StableToken(transport, settings.app_id, settings.app_secret)


def _classic(settings: Settings, transport: Transport, _: Serve) -> TokenSource:
    return ClassicToken(transport, settings.app_id, settings.app_secret)


def _supplied(settings: Settings, _: Transport, serve: Serve) -> TokenSource:
    return _given_or_served("access_token", settings, serve)


def _authorizer(settings: Settings, transport: Transport, serve: Serve) -> TokenSource:
    return AuthorizerToken(
        transport,
        settings.app_id,
        settings.options["component_appid"],
        _given_or_served("component_access_token", settings, serve),
        settings.secret("authorizer_refresh_token"),
        settings.rereading("authorizer_refresh_token"),
        settings.keep_refresh_token,
    )


def _given_or_served(name: str, settings: Settings, serve: Serve) -> TokenSource:
    if "token_url" in settings.options:
        return serve()
    return GivenToken(settings.secret(name), name, settings.rereading(name))


def _none(_: Settings, transport: Transport, __: Serve) -> TokenSource:
    return CloudRunToken(transport.base_url)


_SOURCES: dict[str, Callable[[Settings, Transport, Serve], TokenSource]] = {
    "stable": _stable,
    "classic": _classic,
    "supplied": _supplied,
    "authorizer": _authorizer,
    "none": _none,
}
