"""Reports as WeChat publishes them: whole periods, from an hour on, so often a day."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta

from airflow_wechat.client.periods import Granularity, Period, beijing_day
from airflow_wechat.client.reports import REPORTS, Report
from airflow_wechat.sandbox.calls import Fields
from airflow_wechat.sandbox.limits import Limits
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.sandbox.permissions import Permissions
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.rules import Rules

REPORT_PATHS = frozenset(report.path for report in REPORTS.values())


class Publisher:
    """Gives apps their reports, whichever way they are asked for."""

    def __init__(self, rules: Rules, permissions: Permissions) -> None:
        self._rules = rules
        self._permissions = permissions
        self._limits = Limits(rules.daily_quota, rules.minute_rate)

    def answer(self, report: Report, app_id: str, body: Fields, now: datetime) -> Fields:
        """Return the object with the ``list``.

        :param body: ``begin_date`` and ``end_date``, as they came
        :raises Refusal: for what WeChat does not give, or not yet, or not any more today
        """
        self._permissions.check("reports")
        period = period_asked(report.granularity, body, now)
        if now < period.ends_at + timedelta(hours=self._rules.publish_hour):
            raise Refusal(61503)
        # That a cloud call uses up the same quota is our guess.
        self._limits.use(app_id, report.path, now)
        entry = entry_of(app_id, period, self._trimmed(report).fields)
        return {"list": [entry] if entry else []}

    def _trimmed(self, report: Report) -> Report:
        if self._rules.stay_time_uv:
            return report
        return replace(report, fields=tuple(field for field in report.fields if field.name != "stay_time_uv"))

    def quota(self, app_id: str, path: object, now: datetime) -> Fields:
        """Return what ``/cgi-bin/openapi/quota/get`` says of a path.

        :raises Refusal: for a path that is no report's
        """
        if not isinstance(path, str) or path not in REPORT_PATHS:
            raise Refusal(76021)
        return self._limits.answer(app_id, path, now)


def period_asked(granularity: Granularity, body: Fields, now: datetime) -> Period:
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


def _date(body: Fields, name: str) -> date:
    text = body.get(name, "")
    if not isinstance(text, str):
        raise Refusal(47001)
    if not re.fullmatch(r"[0-9]{8}", text):
        raise Refusal(61500)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refusal(61500) from None
