"""WeChat's rules: who may ask for what, when, and what the answer is. No HTTP and no clock of its own."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from airflow_wechat.client.periods import Granularity, Period, beijing_day
from airflow_wechat.client.reports import REPORTS, Report
from airflow_wechat.sandbox.limits import Limits
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.tokens import App, TokenBook

DEFAULT_APP = App("wx0123456789abcdef", "5a4d3b2c1f0e9d8c7b6a594837261504")

STABLE_TOKEN_PATH = "/cgi-bin/stable_token"  # noqa: S105
CLASSIC_TOKEN_PATH = "/cgi-bin/token"  # noqa: S105
QUOTA_PATH = "/cgi-bin/openapi/quota/get"
REPORT_PATHS = frozenset(report.path for report in REPORTS.values())

Answer = dict[str, Any]


def _distinct(apps: tuple[App, ...]) -> bool:
    ids = {app.app_id for app in apps}
    return bool(apps) and len(ids) == len(apps) and all(app.app_id and app.secret for app in apps)


_ALLOWED: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("apps", "at least one, each with an AppID of its own and a secret", _distinct),
    ("publish_hour", "an hour from 0 to less than 24", lambda hour: 0 <= hour < 24),
    ("token_life", "seconds, more than 0, at most a year", lambda life: 0 < life <= 366 * 86400),
    ("daily_quota", "a number of calls, 0 or more", lambda quota: quota >= 0),
    ("minute_rate", "a number of calls, 0 or more, or none", lambda rate: rate is None or rate >= 0),
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
    :raises ValueError: for a value that is not allowed
    """

    apps: tuple[App, ...] = (DEFAULT_APP,)
    publish_hour: float = 10
    token_life: float = 7200
    allow_list: tuple[str, ...] = ()
    daily_quota: int = 100_000
    minute_rate: int | None = None
    stay_time_uv: bool = True

    def __post_init__(self) -> None:
        for name, allowed, holds in _ALLOWED:
            value = getattr(self, name)
            if not holds(value):
                raise ValueError(f"{name}={value!r} is not allowed: give {allowed}")


@dataclass(frozen=True)
class Call:
    """What a caller sent, and from which IP address."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    address: str


class WeChat:
    """Answers calls as WeChat does. Threads may share one."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._secrets = {app.app_id: app.secret for app in rules.apps}
        self._tokens = TokenBook(rules.token_life)
        self._limits = Limits(rules.daily_quota, rules.minute_rate)
        self._lock = threading.Lock()
        self._endpoints: dict[str, Callable[[Call, datetime], Answer]] = {
            STABLE_TOKEN_PATH: self._stable_token,
            CLASSIC_TOKEN_PATH: self._classic_token,
            QUOTA_PATH: self._quota,
            **{report.path: partial(self._report, self._trimmed(report)) for report in REPORTS.values()},
        }

    def _trimmed(self, report: Report) -> Report:
        fields = [
            field for field in report.fields if self._rules.stay_time_uv or field.name != "stay_time_uv"
        ]
        return replace(report, fields=tuple(fields))

    def answer(self, call: Call, now: datetime) -> Answer:
        """Return the JSON object of the answer.

        :param now: the present moment, with a time zone
        """
        try:
            with self._lock:
                return self._endpoint(call)(call, now)
        except Refusal as refusal:
            return refusal.answer(now)

    def end_tokens(self) -> None:
        """End every token at once, as another service with the same AppSecret would."""
        with self._lock:
            self._tokens.end_all()

    def _endpoint(self, call: Call) -> Callable[[Call, datetime], Answer]:
        if call.path not in self._endpoints:
            raise Refusal(40066)  # what WeChat says of a path it does not know is our guess
        return self._endpoints[call.path]

    def _stable_token(self, call: Call, now: datetime) -> Answer:
        body = _body(call)
        app_id = self._authenticated(body, call.address)
        make = self._tokens.forced if body.get("force_refresh") is True else self._tokens.stable
        return make(app_id, now).answer(now)

    def _classic_token(self, call: Call, now: datetime) -> Answer:
        if call.method != "GET":
            raise Refusal(43001)
        app_id = self._authenticated(call.query, call.address)
        return self._tokens.classic(app_id, now).answer(now)

    def _authenticated(self, given: Mapping[str, Any], address: str) -> str:
        """Return the AppID; which of several faults WeChat names first is our guess."""
        app_id, secret = given.get("appid"), given.get("secret")
        if given.get("grant_type") != "client_credential":
            raise Refusal(40002)
        if not app_id:
            raise Refusal(41002)
        if not secret:
            raise Refusal(41004)
        if not isinstance(app_id, str) or app_id not in self._secrets:
            raise Refusal(40013)
        if secret != self._secrets[app_id]:
            raise Refusal(40125)
        if self._rules.allow_list and address not in self._rules.allow_list:
            raise Refusal(40164, address=address)
        return app_id

    def _holder(self, call: Call, now: datetime) -> str:
        token = call.query.get("access_token")
        if not token:
            raise Refusal(41001)
        return self._tokens.app_of(token, now)

    def _quota(self, call: Call, now: datetime) -> Answer:
        app_id = self._holder(call, now)
        path = _body(call).get("cgi_path")
        if not isinstance(path, str) or path not in REPORT_PATHS:
            raise Refusal(76021)
        return self._limits.answer(app_id, path, now)

    def _report(self, report: Report, call: Call, now: datetime) -> Answer:
        app_id = self._holder(call, now)
        period = period_asked(report.granularity, _body(call), now)
        if now < period.ends_at + timedelta(hours=self._rules.publish_hour):
            raise Refusal(61503)
        self._limits.use(app_id, report.path, now)
        entry = entry_of(app_id, period, report.fields)
        return {"list": [entry] if entry else []}


def _body(call: Call) -> Answer:
    if call.method != "POST":
        raise Refusal(43002)
    if not call.body:
        raise Refusal(44002)
    try:
        body = json.loads(call.body)
    except (ValueError, RecursionError):
        raise Refusal(47001) from None
    if not isinstance(body, dict):
        raise Refusal(47001)
    return body


def period_asked(granularity: Granularity, body: Answer, now: datetime) -> Period:
    """Return the period a body asks for.

    :raises Refusal: for dates that cannot be read, that are no whole period, or that are not over in Beijing
    """
    begin, end = _date(body, "begin_date"), _date(body, "end_date")
    if max(begin, end) >= beijing_day(now):
        raise Refusal(61501)
    period = granularity.period_of(begin)
    if (period.start, period.end) != (begin, end):
        raise Refusal(61501)
    return period


def _date(body: Answer, name: str) -> date:
    text = body.get(name, "")
    if not isinstance(text, str):
        raise Refusal(47001)
    if not re.fullmatch(r"[0-9]{8}", text):
        raise Refusal(61500)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refusal(61500) from None
