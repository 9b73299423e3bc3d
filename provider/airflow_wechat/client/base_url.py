"""Where WeChat may be: https anywhere, plain http only where nobody can listen in. Pure."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

DEFAULT_BASE_URL = "https://api.weixin.qq.com"

_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(?:%[\w.-]+)?")


def check_base_url(base_url: str, *, tokenless: bool = False) -> str:
    """Return a base URL without its last slash; a bare host means https.

    :param tokenless: also allow plain http to WeChat's own hosts, because nothing secret is sent
    :raises ValueError: for plain http to another host than loopback, and for anything but scheme, host,
        port and path
    """
    url = base_url.strip()
    scheme, _, rest = url.rpartition("://")
    url = f"{scheme.lower() or 'https'}://{rest}".rstrip("/")
    parts = _parts(url)
    if parts is None or not _is_plain(url, parts.hostname):
        raise ValueError(f"base URL cannot be read: give https://HOST, as {DEFAULT_BASE_URL}")
    if parts.username is not None or "?" in url or "#" in url:
        raise ValueError(f"base URL for {parts.hostname!r} must not carry a user, a query or a fragment")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base URL {base_url!r} is not allowed: give https://HOST, as {DEFAULT_BASE_URL}")
    allowed = is_loopback(parts.hostname) or (tokenless and is_wechats(parts.hostname))
    if parts.scheme == "http" and not allowed:
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


def _is_plain(url: str, host: str | None) -> bool:
    # Of anything else who connects may take another part for the host than we do.
    return url.isprintable() and not re.search(r"[\\\s]", url) and (not host or bool(_HOST.fullmatch(host)))


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_wechats(host: str) -> bool:
    """Tell whether a host name is one of WeChat's own: api, api2, sh, sz, hk."""
    return host.lower().endswith(".weixin.qq.com")
