"""A cloud function that asks for reports, and the HTTP API that invokes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from airflow_wechat.client.reports import REPORTS, Report
from airflow_wechat.cloud_function import FUNCTION_NAME
from airflow_wechat.sandbox.calls import Call, Fields, posted
from airflow_wechat.sandbox.credentials import Credentials
from airflow_wechat.sandbox.permissions import Permissions
from airflow_wechat.sandbox.publishing import Publisher
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.replies import Reply, Said, compact, json_reply

CLOUD_ENV = "sandbox-env"

_REPORTS: Mapping[str, Report] = {report.cloud_call.rpartition(".")[2]: report for report in REPORTS.values()}


class Cloud:
    """Every app's cloud environment, where the function is deployed that comes with this package."""

    def __init__(self, credentials: Credentials, publisher: Publisher, permissions: Permissions) -> None:
        self._credentials = credentials
        self._publisher = publisher
        self._permissions = permissions

    def invoke(self, call: Call, now: datetime) -> Said:
        """Answer ``/tcb/invokecloudfunction``."""
        app_id = self._credentials.holder(call, now)
        if call.query.get("env") != CLOUD_ENV:
            raise Refusal(-501000)
        if call.query.get("name") != FUNCTION_NAME:
            raise Refusal(-501009)  # WeChat documents no code for it alone: this one is our guess
        return self._run(posted(call), app_id, now)

    def _run(self, event: Fields, app_id: str, now: datetime) -> Said:
        """Do what ``index.js`` does."""
        if refused := _refusal_of(event):
            return Said(refused, _result)
        report = _REPORTS[event["api"]]
        return Said(self._called(report, event, app_id, now), partial(_result, cloud_call=report.cloud_call))

    def _called(self, report: Report, event: Fields, app_id: str, now: datetime) -> Fields:
        body = {"begin_date": event["beginDate"], "end_date": event["endDate"]}
        try:
            self._permissions.check("cloud_function")
            return self._publisher.answer(report, app_id, body, now)
        except Refusal as refusal:
            return refusal.answer(now)


def _refusal_of(event: Fields) -> Fields | None:
    """Return what the function itself refuses, before it calls WeChat."""
    if event.get("api") not in [*_REPORTS]:  # not the mapping: the event may hold what cannot be a key
        given = compact(event["api"]) if "api" in event else "undefined"
        return _refused(40097, f"api is {given}, allowed are {', '.join(_REPORTS)}")
    dates = {name: event[name] for name in ("beginDate", "endDate") if name in event}
    if len(dates) < 2 or not all(map(_is_date, dates.values())):
        return _refused(61500, f'dates are {compact(dates)}, allowed are strings such as "20170313"')
    return None


def _refused(errcode: int, words: str) -> Fields:
    return {"errcode": errcode, "errmsg": f"refused: {words}"}


def _is_date(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9]{8}", value) is not None


def _result(answer: Fields, cloud_call: str | None = None) -> Reply:
    """Make the reply of what the function returns for an answer of WeChat, or for one of its own."""
    returned = _returned(answer, cloud_call)
    outer = {"errcode": 0, "errmsg": "ok", "resp_data": compact(returned)}
    return replace(json_reply(outer), answered=returned["errCode"])


def _returned(answer: Fields, cloud_call: str | None) -> Fields:
    if errcode := answer.get("errcode"):
        errmsg = answer["errmsg"]
        return {"errCode": errcode, "errMsg": f"{cloud_call}:fail {errmsg}" if cloud_call else errmsg}
    return {**_in_camel_case(answer), "errMsg": f"{cloud_call}:ok", "errCode": 0}


def _in_camel_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel_case(name): _in_camel_case(held) for name, held in value.items()}
    return [_in_camel_case(held) for held in value] if isinstance(value, list) else value


def _camel_case(name: str) -> str:
    return re.sub("_([a-z0-9])", lambda found: found[1].upper(), name)
