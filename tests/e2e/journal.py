"""What a sandbox was asked."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from airflow_wechat.client.periods import Period
from airflow_wechat.client.reports import get_report
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.journal import Request


class Journal:
    """What a sandbox was asked since the journal was opened.

    :param begin: or since so many calls were before; 0 for all
    """

    def __init__(self, sandbox: Sandbox, begin: int | None = None) -> None:
        self._sandbox = sandbox
        self._begin = len(sandbox.requests) if begin is None else begin

    def asked(self, report: str) -> list[tuple[str, str]]:
        """Return the dates that a report was asked for, both ends included, as WeChat gets them."""
        return [(body["begin_date"], body["end_date"]) for body in self._bodies(get_report(report).path)]

    def moments(self, report: str) -> dict[str, list[float]]:
        """Return when a report was asked for, in seconds, by the access token it was asked for with."""
        found = defaultdict(list)
        for call in self._calls(get_report(report).path):
            found[call.query["access_token"]].append(call.at)
        return dict(found)

    def tokens(self) -> int:
        """Return how often a token was asked for."""
        return len(self._bodies("/cgi-bin/stable_token"))

    def _bodies(self, path: str) -> list[dict[str, Any]]:
        return [call.body or {} for call in self._calls(path)]

    def _calls(self, path: str) -> list[Request]:
        return [call for call in self._sandbox.requests[self._begin :] if call.path == path]


def asked_for(period: Period) -> tuple[str, str]:
    """Return the dates that WeChat is to be asked for."""
    return f"{period.start:%Y%m%d}", f"{period.end:%Y%m%d}"
