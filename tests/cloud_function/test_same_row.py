"""The same request gives the same row over HTTPS and through the cloud function, run by node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from airflow_wechat.client.assembly import Settings, client_from
from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import WaitForDataError
from airflow_wechat.client.options import Options
from airflow_wechat.client.reports import REPORTS, Report, Row
from airflow_wechat.client.routes import INVOKE_PATH
from airflow_wechat.sandbox import Sandbox
from cloud_function.cloud_node import run_function


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(publish_hour=0) as running:
        yield running


def client(sandbox: Sandbox, **extra: str) -> WeChatClient:
    app = sandbox.app
    return client_from(Settings(app.app_id, app.secret, sandbox.url, Options.read(extra)))


def camel_cased(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def without_time(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "fetched_at"} for row in rows]


def returned_by_node(report: Report, day: date, **wechat_says: Any) -> dict[str, Any]:
    """What `/tcb/invokecloudfunction` answers where WeChat says so to the function."""
    period = report.granularity.period_of(day)
    event = {
        "api": report.cloud_call.rpartition(".")[2],
        "beginDate": f"{period.start:%Y%m%d}",
        "endDate": f"{period.end:%Y%m%d}",
    }
    ran = run_function(event, **wechat_says)
    return {"errcode": 0, "errmsg": "ok", "resp_data": json.dumps(ran.returned)}


@pytest.mark.parametrize("report", REPORTS.values(), ids=list(REPORTS))
def test_every_report_gives_the_same_row_on_both_routes(sandbox: Sandbox, report: Report) -> None:
    period = report.granularity.period_of(date(2025, 3, 13))
    over_https = client(sandbox).fetch(report, period)
    entry = {
        camel_cased(name): over_https[0][name] for name in ("ref_date", *(f.name for f in report.fields))
    }
    answer = returned_by_node(report, period.start, answer={"list": [entry]})
    sandbox.answer_next(INVOKE_PATH, answer)

    through_node = client(sandbox, route="cloud_function", cloud_env="e").fetch(report, period)

    assert without_time(through_node) == without_time(over_https)


def test_what_wechat_refuses_to_the_function_is_the_same_error(sandbox: Sandbox) -> None:
    report = REPORTS["daily_visit_trend"]
    period = report.granularity.period_of(date(2025, 3, 13))
    refusal = {"errCode": 61503, "errMsg": "openapi.analysis.getDailyVisitTrend:fail data not ready"}
    sandbox.answer_next(INVOKE_PATH, returned_by_node(report, period.start, error=refusal))

    with pytest.raises(WaitForDataError, match="data not ready"):
        client(sandbox, route="cloud_function", cloud_env="e").fetch(report, period)
