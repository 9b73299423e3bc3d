"""What one sandbox does differently from another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from airflow_wechat.sandbox.tokens import App

DEFAULT_APP = App("wx0123456789abcdef", "5a4d3b2c1f0e9d8c7b6a594837261504")


def _distinct(apps: tuple[App, ...]) -> bool:
    ids = {app.app_id for app in apps}
    return bool(apps) and len(ids) == len(apps) and all(app.app_id and app.secret for app in apps)


_ALLOWED: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("apps", "at least one, each with an AppID of its own and a secret", _distinct),
    ("publish_hour", "an hour from 0 to less than 24", lambda hour: 0 <= hour < 24),
    ("token_life", "seconds, more than 0, at most a year", lambda life: 0 < life <= 366 * 86400),
    ("daily_quota", "a number of calls, 0 or more", lambda quota: quota >= 0),
    ("minute_rate", "a number of calls, 0 or more, or none", lambda rate: rate is None or rate >= 0),
    ("sealed", "True, False or 'optional'", lambda sealed: isinstance(sealed, bool) or sealed == "optional"),
)


@dataclass(frozen=True)
class Rules:
    """What one sandbox does differently from another.

    :param apps: the Mini Programs it knows
    :param publish_hour: from which hour on, Beijing time, the day before can be had; weeks and months too
    :param token_life: seconds
    :param allow_list: the IP addresses that may use an AppSecret; none means all
    :param daily_quota: calls a day, of each report
    :param minute_rate: calls a minute, of each report; ``None`` for no limit
    :param stay_time_uv: whether answers carry it; the samples in WeChat's documentation do not
    :param cloud_run: whether calls of reports without a token come from the first app's Cloud Run container
    :param sealed: whether calls of reports must be encrypted and signed, or may be (``"optional"``; that
        WeChat ever leaves it open is our guess), or must not, as the apps have set no keys
    :raises ValueError: for a value that is not allowed
    """

    apps: tuple[App, ...] = (DEFAULT_APP,)
    publish_hour: float = 10
    token_life: float = 7200
    allow_list: tuple[str, ...] = ()
    daily_quota: int = 100_000
    minute_rate: int | None = None
    stay_time_uv: bool = True
    cloud_run: bool = False
    sealed: bool | Literal["optional"] = False

    def __post_init__(self) -> None:
        for name, allowed, holds in _ALLOWED:
            value = getattr(self, name)
            if not holds(value):
                raise ValueError(f"{name}={value!r} is not allowed: give {allowed}")
