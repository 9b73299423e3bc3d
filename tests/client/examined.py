"""Short ways to let the doctor examine a sandbox, with what no examination may ever do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from airflow_wechat.client.assembly import Settings, client_from
from airflow_wechat.client.options import Options
from airflow_wechat.client.reports import Report
from airflow_wechat.client.routes import INVOKE_PATH
from airflow_wechat.doctor.checks import examine
from airflow_wechat.doctor.findings import Finding, State
from airflow_wechat.doctor.patient import Access, Database, Patient
from airflow_wechat.sandbox import Sandbox
from client.sandboxed import CLASSIC, DAILY, STABLE

Findings = dict[str, Finding]


def access_by(fields: dict[str, Any]) -> Access:
    """Open a connection as the doctor does; its fields are Airflow's."""
    extra = fields.get("extra") or {}
    options = Options.read(json.loads(extra) if isinstance(extra, str) else extra)
    settings = Settings(fields.get("login", ""), fields.get("password", ""), fields["host"], options)
    return Access(client_from(settings, tries=1, renews=False), options)


def patient_by(
    fields: dict[str, Any],
    *,
    reports: Iterable[Report] = (DAILY,),
    reach_database: Callable[[], Database] | None = None,
    **options: Any,
) -> Patient:
    return Patient(lambda: access_by(fields), tuple(reports), reach_database, **options)


def examined(
    sandbox: Sandbox, road: str = "stable", *, changes: dict[str, Any] | None = None, **options: Any
) -> Findings:
    """Examine a connection to the sandbox, and see that nothing was spent but what may be."""
    fields = sandbox.connection_of(sandbox.app, road) | (changes or {})
    patient = patient_by(fields, **{"now": sandbox.clock, **options})
    found = {finding.check: finding for finding in examine(patient)}
    check_spent(sandbox, patient.reports)
    return found


def check_spent(sandbox: Sandbox, reports: Iterable[Report]) -> None:
    """See that each report was asked for once at most, and that nothing was forced or cleared."""
    asked = Counter(request.path for request in sandbox.requests)
    assert all(asked[report.path] <= 1 for report in reports)
    assert asked[INVOKE_PATH] <= len(tuple(reports))
    assert asked[STABLE] <= 1 and asked[CLASSIC] <= 1
    assert not any((request.body or {}).get("force_refresh") for request in sandbox.requests)
    assert not any("clear_quota" in path for path in asked)


def refusal(errcode: int, errmsg: str = "words rid: 1-2-3") -> dict[str, Any]:
    """Make an answer of WeChat's that refuses a call."""
    return {"errcode": errcode, "errmsg": errmsg}


def states(found: Findings, *names: str) -> list[State]:
    """Return how checks of the daily report came out."""
    return [found[f"{name} daily_visit_trend"].state for name in names]
