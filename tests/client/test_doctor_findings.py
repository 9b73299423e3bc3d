"""How findings read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_wechat.client.reports import REPORTS
from airflow_wechat.doctor.findings import Finding, State, as_json, exit_status
from airflow_wechat.sandbox import Sandbox
from client.examined import examined

OK, WARNING, FAILED, SKIPPED = State.OK, State.WARNING, State.FAILED, State.SKIPPED


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(publish_hour=0) as running:
        yield running


def test_a_finding_is_one_line_and_what_to_do_another() -> None:
    finding = Finding(
        "permission daily_visit_trend", FAILED, "errcode 48001\r\n\x1b[31m words", "ask\nsomebody"
    )

    assert str(finding) == (
        "FAILED  permission daily_visit_trend   errcode 48001 ?[31m words\n        -> ask somebody"
    )


def test_findings_read_in_columns(sandbox: Sandbox) -> None:
    lines = [str(finding) for finding in examined(sandbox, reports=REPORTS.values()).values()]

    assert {line[7] for line in lines} == {line[38] for line in lines} == {" "}
    assert all(line[8] != " " != line[39] for line in lines)


@pytest.mark.parametrize(
    ("state", "status", "healthy"),
    [(OK, 0, True), (WARNING, 0, True), (SKIPPED, 0, True), (FAILED, 1, False)],
)
def test_only_a_failure_fails(state: State, status: int, healthy: bool) -> None:
    findings = [Finding("token", OK, "words"), Finding("clock", state, "访问", "do")]

    document = json.loads(as_json(findings))

    assert exit_status(findings) == status
    assert document["healthy"] is healthy
    assert document["findings"][1] == {"check": "clock", "state": str(state), "words": "访问", "to_do": "do"}
