"""How often a path may be called."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from airflow_wechat.client.periods import beijing_day
from airflow_wechat.sandbox.refusals import Refusal

_MINUTE = 60


class Limits:
    """Counts the calls of each app and path, for a Beijing day and for a minute of the clock.

    :param daily_quota: calls a day, of each path
    :param minute_rate: calls a minute, of each path; ``None`` for no limit
    """

    def __init__(self, daily_quota: int, minute_rate: int | None) -> None:
        self._daily_quota = daily_quota
        self._minute_rate = minute_rate
        self._days: defaultdict[tuple[str, str], _Count] = defaultdict(_Count)
        self._minutes: defaultdict[tuple[str, str], _Count] = defaultdict(_Count)

    def use(self, app_id: str, path: str, now: datetime) -> None:
        """Count a call.

        :raises Refusal: beyond the quota or the rate; such a call is not counted
        """
        day, minute = self._days[app_id, path], self._minutes[app_id, path]
        if day.within(beijing_day(now)) >= self._daily_quota:
            raise Refusal(45009)
        used_now = minute.within(now.timestamp() // _MINUTE)
        if self._minute_rate is not None and used_now >= self._minute_rate:
            raise Refusal(45011)
        day.used += 1
        minute.used += 1

    def answer(self, app_id: str, path: str, now: datetime) -> dict[str, Any]:
        """Return what ``/cgi-bin/openapi/quota/get`` says of a path."""
        used = self._days[app_id, path].within(beijing_day(now))
        answer: dict[str, Any] = {
            "errcode": 0,
            "errmsg": "ok",
            "quota": {"daily_limit": self._daily_quota, "used": used, "remain": self._daily_quota - used},
        }
        if self._minute_rate is not None:
            answer["rate_limit"] = {"call_count": self._minute_rate, "refresh_second": _MINUTE}
        return answer


class _Count:
    """A number that starts again with each window."""

    def __init__(self) -> None:
        self._window: object = None
        self.used = 0

    def within(self, window: object) -> int:
        if window != self._window:
            self._window, self.used = window, 0
        return self.used
