"""The two ways to ask for a report: WeChat's HTTPS API, and the cloud call of a cloud function. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_wechat.client.answers import Answer, checked, decode
from airflow_wechat.client.errors import CheckAnswerError, RenewTokenError
from airflow_wechat.client.periods import Period, compact
from airflow_wechat.client.reports import Report

INVOKE_PATH = "/tcb/invokecloudfunction"

_NOT_OURS = (
    "let the task retry; the function makes its call with a token of its cloud environment, not with ours: "
    "where it goes on, deploy the function again"
)


@dataclass(frozen=True)
class Question:
    """A call that asks for a period: what to post where, and how to read what WeChat's API would answer.

    :param asks: the call that is made at the other end, where it is not ``path`` itself
    :param read: from the answer to the object that the HTTPS API answers; raises the error it stands for
    """

    path: str
    body: Mapping[str, Any]
    read: Callable[[Answer], Answer]
    query: Mapping[str, str] = field(default_factory=dict)
    asks: str = ""

    @property
    def name(self) -> str:
        """What errors in the rows name: the call that has made them."""
        return self.asks or self.path


Route = Callable[[Report, Period], Question]


def by_https(report: Report, period: Period) -> Question:
    """Ask WeChat's HTTPS API."""
    body = {"begin_date": compact(period.start), "end_date": compact(period.end)}
    return Question(report.path, body, partial(checked, path=report.path))


def by_cloud_function(env: str, name: str) -> Route:
    """Make the route through a cloud function, which makes the cloud call and returns what it gives.

    See https://developers.weixin.qq.com/miniprogram/dev/wxcloud/reference-http-api/functions/invokeCloudFunction.html

    :param env: the id of the cloud environment
    :param name: the function's name
    """

    def route(report: Report, period: Period) -> Question:
        event = {
            "api": report.cloud_call.rpartition(".")[2],
            "beginDate": compact(period.start),
            "endDate": compact(period.end),
        }
        read = partial(_returned, report.cloud_call)
        return Question(INVOKE_PATH, event, read, query={"env": env, "name": name}, asks=report.cloud_call)

    return route


def _returned(cloud_call: str, answer: Answer) -> Answer:
    """Read what the cloud function returned: an error of its own inside a successful call, or the report."""
    text = checked(answer, INVOKE_PATH).get("resp_data")
    if not isinstance(text, str):
        raise CheckAnswerError("no resp_data in the answer", path=INVOKE_PATH)
    returned = decode(text.encode(errors="replace"), cloud_call)
    if "errorMessage" in returned:
        raise CheckAnswerError(
            f"the cloud function failed: {returned['errorMessage']!r:.200}",
            path=cloud_call,
            advice="see its log in WeChat's console",
        )
    errcode = returned.get("errCode", returned.get("errcode", 0))
    try:
        checked({"errcode": errcode, "errmsg": returned.get("errMsg", returned.get("errmsg"))}, cloud_call)
    except RenewTokenError as refused:
        raise RenewTokenError(refused.errmsg, refused.errcode, refused.path, _NOT_OURS) from None
    return {_snake_case(name): _snake_cased(value) for name, value in returned.items()}


def _snake_cased(value: Any) -> Any:
    if isinstance(value, dict):
        return {_snake_case(name): _snake_cased(held) for name, held in value.items()}
    return [_snake_cased(held) for held in value] if isinstance(value, list) else value


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda capital: f"_{capital[0].lower()}", name)
