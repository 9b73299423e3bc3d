"""Where Airflow finds the page; the web application behind it is built when it is first asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

URL_PREFIX = "/wechat-trends"

EXTERNAL_VIEWS: list[dict[str, Any]] = [
    {
        "name": "WeChat Trends",
        "href": f"{URL_PREFIX.removeprefix('/')}/",  # relative: Airflow may live behind a prefix of its own
        "destination": "nav",
        "category": "browse",
        "url_route": "wechat-trends",
    }
]
"""What the plugin registers: the menu entry, which opens that address in a frame."""


class TrendsApp:
    """An ASGI application that imports FastAPI with its first request: many processes load the plugin."""

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        await _application()(scope, receive, send)


@cache
def _application() -> Any:
    from airflow_wechat.trends.application import create_application

    return create_application()


FASTAPI_APPS: list[dict[str, Any]] = [
    {"app": TrendsApp(), "url_prefix": URL_PREFIX, "name": "WeChat Trends"},
]
"""What the plugin registers: the application, at an address of its own."""
