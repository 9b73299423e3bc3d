"""What the doctor finds of the reports: permission, newest period, quota; and of the clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_wechat.client.periods import beijing_day, latest_complete, midnight
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.doctor.checks import examine
from airflow_wechat.doctor.findings import State
from airflow_wechat.sandbox import Sandbox
from client.examined import examined, patient_by, refusal, states
from client.sandboxed import DAILY, MONTHLY, QUOTA, STABLE, WEEKLY
from client.scripted import Reply, ScriptedServer

OK, WARNING, FAILED, SKIPPED = State.OK, State.WARNING, State.FAILED, State.SKIPPED


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(publish_hour=0) as running:
        yield running


# Permission and newest period


@pytest.mark.parametrize(
    ("trouble", "state", "to_do"),
    [
        (refusal(-1), WARNING, "run the check again"),
        (refusal(61504), WARNING, "run the check again"),
        (refusal(45011), WARNING, "run the check again"),
        (refusal(45009), WARNING, "tomorrow, Beijing time"),
        (refusal(48001), FAILED, "administrator"),
        (refusal(61502), FAILED, "not of a mini game"),
        (refusal(61501), FAILED, "see the line clock"),
        (refusal(40001), FAILED, "another service makes tokens"),
        (refusal(42001), FAILED, "another service makes tokens"),
        (refusal(99999), FAILED, "look the errcode up"),
        (503, FAILED, "firewall or proxy"),
        (ConnectionError, FAILED, "firewall or proxy"),
        (b"<html>", FAILED, "proxy or gateway"),
        ({"list": [{"ref_date": "x"}]}, FAILED, "proxy or gateway"),
    ],
)
def test_a_report_that_is_refused_is_asked_for_once_and_the_others_all_the_same(
    sandbox: Sandbox, trouble: Any, state: State, to_do: str
) -> None:
    sandbox.answer_next(DAILY.path, trouble)

    found = examined(sandbox, reports=REPORTS.values())

    permission = found["permission daily_visit_trend"]
    assert permission.state is state
    assert to_do in permission.to_do
    assert states(found, "newest", "quota") == [SKIPPED, OK]
    assert [found[f"permission {report.name}"].state for report in (WEEKLY, MONTHLY)] == [OK, OK]
    assert len([request for request in sandbox.requests if request.path == DAILY.path]) == 1


def test_tokens_that_end_meanwhile_are_not_renewed(sandbox: Sandbox) -> None:
    patient = patient_by(sandbox.connection, reports=REPORTS.values(), now=sandbox.clock)
    found = {}
    for finding in examine(patient):
        found[finding.check] = finding
        if finding.check == "token":
            sandbox.end_tokens()

    assert [found[f"permission {name}"].state for name in REPORTS] == [FAILED] * len(REPORTS)
    assert [request.path for request in sandbox.requests].count(STABLE) == 1
    assert [request.path for request in sandbox.requests].count(DAILY.path) == 1


def test_without_vouching_the_container_hears_what_to_do(sandbox: Sandbox) -> None:
    found = examined(sandbox, changes={"extra": {"token_source": "none"}})

    assert "inside WeChat Cloud Run" in found["permission daily_visit_trend"].to_do


@pytest.mark.parametrize(
    ("report", "now", "state"),
    [
        (DAILY, "2026-11-24T09:00+08:00", OK),
        (DAILY, "2026-11-24T10:29+08:00", OK),
        (DAILY, "2026-11-24T10:31+08:00", WARNING),
        (WEEKLY, "2026-11-23T09:00+08:00", OK),
        (WEEKLY, "2026-11-24T09:00+08:00", WARNING),
        (MONTHLY, "2026-11-01T09:00+08:00", OK),
        (MONTHLY, "2026-11-02T09:00+08:00", WARNING),
    ],
)
def test_a_period_that_is_not_published_is_normal_until_half_past_ten(
    sandbox: Sandbox, report: Any, now: str, state: State
) -> None:
    moment = datetime.fromisoformat(now)
    sandbox.answer_next(report.path, refusal(61503))

    found = examined(sandbox, reports=[report], now=lambda: moment)

    newest = found[f"newest {report.name}"]
    period = latest_complete(report.granularity, moment)
    assert found[f"permission {report.name}"].state is OK
    assert newest.state is state
    assert newest.words.startswith(f"{period} is not published yet (errcode 61503)")
    assert bool(newest.to_do) is (state is WARNING)


@pytest.mark.parametrize(("hour", "state"), [(9, OK), (11, WARNING)])
def test_an_empty_list_of_yesterday_counts_as_not_published(
    sandbox: Sandbox, hour: int, state: State
) -> None:
    morning = midnight(beijing_day(datetime.now(UTC))).add(hours=hour)
    sandbox.answer_next(DAILY.path, {"list": []})

    newest = examined(sandbox, now=lambda: morning)["newest daily_visit_trend"]

    assert newest.state is state
    assert "is not published yet (an empty list)" in newest.words


def test_an_empty_list_of_a_period_long_over_is_no_data(sandbox: Sandbox) -> None:
    sandbox.answer_next(MONTHLY.path, {"list": []})

    found = examined(sandbox, reports=[MONTHLY], now=lambda: datetime(2025, 3, 20, tzinfo=UTC))

    newest = found["newest monthly_visit_trend"]
    assert (newest.state, newest.words) == (WARNING, "WeChat has no data for 2025-02-01..2025-02-28")


# Quota and clock


@pytest.mark.parametrize(("used", "state"), [(0, OK), (80, OK), (81, WARNING), (100, WARNING)])
def test_a_quota_that_is_used_up_but_for_a_fifth_is_worth_a_warning(
    sandbox: Sandbox, used: int, state: State
) -> None:
    numbers = {"daily_limit": 100, "used": used, "remain": 100 - used}
    rate = {"call_count": 20, "refresh_second": 60}
    sandbox.answer_next(QUOTA, {"errcode": 0, "quota": numbers, "rate_limit": rate})

    quota = examined(sandbox)["quota daily_visit_trend"]

    assert quota.state is state
    assert quota.words == f"{used} of 100 calls used today, {100 - used} left, 20 a minute"


def test_a_quota_that_is_not_told_is_worth_a_warning(sandbox: Sandbox) -> None:
    sandbox.answer_next(QUOTA, refusal(-1))

    assert states(examined(sandbox), "permission", "quota") == [OK, WARNING]


@pytest.mark.parametrize("rule", ["route=cloud_function", "token_source=none"])
def test_where_there_is_no_quota_to_ask_for_it_is_not_asked_for(rule: str) -> None:
    with Sandbox(publish_hour=0, cloud_run=True) as sandbox:
        found = examined(sandbox, "cloud_function" if "cloud" in rule else "cloud_run")

    assert states(found, "quota") == [SKIPPED]
    assert found["quota daily_visit_trend"].words.startswith(rule)
    assert QUOTA not in [request.path for request in sandbox.requests]


@pytest.mark.parametrize(
    ("ahead", "state", "words"),
    [
        (0, OK, "this machine's agrees with WeChat's"),
        (30, OK, "s ahead of WeChat's"),
        (-30, OK, "s behind WeChat's"),
        (75, WARNING, "s ahead of WeChat's"),
        (-4000, WARNING, "s behind WeChat's"),
    ],
)
def test_a_clock_that_is_off_is_worth_a_warning(
    sandbox: Sandbox, ahead: int, state: State, words: str
) -> None:
    sandbox.clock = lambda: datetime.now(UTC) - timedelta(seconds=ahead)

    clock = examined(sandbox)["clock"]

    assert clock.state is state
    assert words in clock.words
    assert ("NTP" in clock.to_do) is (state is WARNING)


def test_a_clock_too_far_off_for_signatures_fails_signed_calls() -> None:
    with Sandbox(publish_hour=0, sealed=True) as sandbox:
        sandbox.clock = lambda: datetime.now(UTC) - timedelta(seconds=400)

        found = examined(sandbox, "sealed")

    assert (found["clock"].state, states(found, "permission")) == (FAILED, [FAILED])
    assert "see the line clock" in found["permission daily_visit_trend"].to_do


def test_an_answer_without_a_date_tells_no_time(server: ScriptedServer) -> None:
    server.on(STABLE, Reply(json.dumps(refusal(40125)).encode()))

    found = {f.check: f for f in examine(patient_by({"login": "wx1", "password": "s", "host": server.url}))}

    assert found["clock"].state is SKIPPED
