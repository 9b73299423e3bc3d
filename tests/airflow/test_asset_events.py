"""What a transfer tells by the events of its assets, which Airflow emits when the task has succeeded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias, TaskDeferred

from airflow_wechat.airflow_versions import tasks_add_partitions
from airflow_wechat.client.errors import WaitForDataError, WaitForQuotaError
from airflow_wechat.client.periods import BEIJING
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.operators import report as report_module
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.transfers import report as transfer_module
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from runs import context_of_run

DAILY_PATH = REPORTS["daily_visit_trend"].path
NOT_READY = {"errcode": 61503, "errmsg": "data not ready, please try later rid: 1-2-3"}
EMPTY = {"list": []}
TABLE = Asset(uri="warehouse/wechat_daily_visit_trend")

needs_partitions = pytest.mark.skipif(
    not tasks_add_partitions(), reason="tasks add partition keys from Airflow 3.3 on"
)


def load(context=None, *, report="daily_visit_trend", outlets=(TABLE,), **arguments):
    """Run a load, and return its task's context."""
    context = context or context_of_run(data_interval_end=datetime(2026, 2, 28, 16, tzinfo=UTC))
    operator = WeChatReportToSqlOperator(
        task_id="load", report=report, sql_conn_id="wechat_target", outlets=list(outlets), **arguments
    )
    operator.execute(context)
    return context


def extra_of(context, asset=TABLE):
    return context["outlet_events"][asset].extra


def keys_of(context, asset=TABLE):
    return context["outlet_events"][asset].partition_keys


def test_the_event_tells_what_landed_where(wechat, sqlite_target):
    extra = extra_of(load(begin_date="2026-01-01", end_date="2026-01-31"))

    assert extra == {
        "report": "daily_visit_trend",
        "app_id": wechat.app.app_id,
        "target": "wechat_target:wechat_daily_visit_trend",
        "periods": [["2026-01-01", "2026-01-31"]],
        "answered": 31,
        "rows": 31,
    }


@pytest.mark.parametrize(
    ("report", "days"),
    [
        ("weekly_visit_trend", ["2026-02-09", "2026-02-22"]),
        ("monthly_visit_trend", ["2026-01-01", "2026-02-28"]),
    ],
)
def test_periods_go_from_the_first_day_of_the_first_to_the_last_day_of_the_last(
    wechat, sqlite_target, report, days
):
    assert extra_of(load(report=report, lookback=1))["periods"] == [days]


def test_years_of_batches_are_one_stretch(wechat, sqlite_target):
    extra = extra_of(load(begin_date="2024-01-01", end_date="2025-12-31"))

    assert extra["rows"] == 731 > 2 * report_module._BATCH
    assert extra["periods"] == [["2024-01-01", "2025-12-31"]]


def test_a_period_without_data_is_left_out(wechat, sqlite_target):
    wechat.answer_next(DAILY_PATH, _answer("20260101"), EMPTY, _answer("20260103"))

    extra = extra_of(load(begin_date="2026-01-01", end_date="2026-01-03", max_concurrency=1))

    assert extra["periods"] == [["2026-01-01", "2026-01-01"], ["2026-01-03", "2026-01-03"]]
    assert (extra["answered"], extra["rows"]) == (3, 2)


def test_a_load_that_landed_nothing_says_so(wechat, sqlite_target):
    wechat.answer_next(DAILY_PATH, EMPTY)

    extra = extra_of(load())

    assert (extra["periods"], extra["answered"], extra["rows"]) == ([], 1, 0)


def test_each_asset_is_told(wechat, sqlite_target):
    other = Asset(uri="lake/visits")

    context = load(outlets=[TABLE, other])

    assert extra_of(context) == extra_of(context, other) != {}


def test_what_a_task_puts_into_its_event_itself_stays(wechat, sqlite_target):
    context = context_of_run(run_after=datetime(2026, 3, 1, tzinfo=UTC))
    context["outlet_events"][TABLE].extra["owner"] = "growth"

    extra = extra_of(load(context))

    assert extra["owner"] == "growth" and extra["periods"]


def test_an_alias_has_no_event_of_ours(wechat, sqlite_target):
    context = load(outlets=[AssetAlias("visits")])

    assert len(context["outlet_events"]) == 0


@pytest.mark.parametrize("failure", [NOT_READY, {"errcode": 45009, "errmsg": "quota"}])
def test_a_load_that_fails_has_told_nothing(wechat, sqlite_target, failure):
    yesterday = _yesterday()
    wechat.answer_next(DAILY_PATH, _answer(f"{yesterday - timedelta(days=1):%Y%m%d}"), failure)
    context = context_of_run()

    with pytest.raises((WaitForDataError, WaitForQuotaError)):
        load(context, begin_date=str(yesterday), lookback=1, max_concurrency=1, deferrable=False)

    assert len(context["outlet_events"]) == 0


def test_after_a_wait_the_event_tells_what_landed_before_it_too(wechat, sqlite_target):
    days = [_yesterday() - timedelta(days=n) for n in (2, 1, 0)]
    texts = [f"{day:%Y%m%d}" for day in days]
    wechat.answer_next(DAILY_PATH, _answer(texts[0]), NOT_READY, _answer(texts[2]))
    before, after = context_of_run(), context_of_run()

    with pytest.raises(TaskDeferred) as deferred:
        load(before, begin_date=str(days[2]), lookback=2, max_concurrency=1, deferrable=True)
    operator = WeChatReportToSqlOperator(
        task_id="load", report="daily_visit_trend", sql_conn_id="wechat_target", outlets=[TABLE]
    )
    manifest = operator.resume(after, {"timed_out": False}, **deferred.value.kwargs)

    assert len(before["outlet_events"]) == 0
    assert extra_of(after)["periods"] == [[str(days[0]), str(days[2])]]
    assert (manifest["first_period"], manifest["last_period"]) == (str(days[0]), str(days[2]))


# --- partition keys


@needs_partitions
@pytest.mark.parametrize(
    ("report", "keys"),
    [
        ("daily_visit_trend", {"2026-02-26T00:00:00", "2026-02-27T00:00:00", "2026-02-28T00:00:00"}),
        ("weekly_visit_trend", {"2026-02-02T00:00:00", "2026-02-09T00:00:00", "2026-02-16T00:00:00"}),
        ("monthly_visit_trend", {"2025-12-01T00:00:00", "2026-01-01T00:00:00", "2026-02-01T00:00:00"}),
    ],
)
def test_each_period_is_a_partition(wechat, sqlite_target, report, keys):
    assert keys_of(load(report=report, lookback=2, partition_outlets=True)) == keys


@needs_partitions
def test_only_what_landed_is_a_partition(wechat, sqlite_target):
    wechat.answer_next(DAILY_PATH, _answer("20260227"), EMPTY)

    context = load(lookback=1, max_concurrency=1, partition_outlets=True)

    assert keys_of(context) == {"2026-02-27T00:00:00"}


@needs_partitions
def test_partitions_are_the_users_to_choose(wechat, sqlite_target):
    assert keys_of(load()) == set()


@needs_partitions
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"outlets": []}, "the task has no asset in its outlets"),
        ({"outlets": [AssetAlias("visits")]}, "the task has no asset in its outlets"),
        ({"partition_outlets": "yes"}, "'yes' is not allowed: give True or False"),
    ],
)
def test_partitions_without_an_asset_are_refused_before_any_request(wechat, sqlite_target, arguments, why):
    with pytest.raises(BadArgumentError, match=why):
        load(**{"partition_outlets": True} | arguments)

    assert wechat.requests == []


def test_partitions_are_refused_where_airflow_knows_none(wechat, sqlite_target, monkeypatch):
    monkeypatch.setattr(transfer_module, "tasks_add_partitions", lambda: False)

    with pytest.raises(BadArgumentError, match=r"partition keys from Airflow 3\.3 on"):
        load(partition_outlets=True)

    assert wechat.requests == []


def _answer(ref_date):
    numbers = {"session_cnt": 1, "visit_pv": 1, "visit_uv": 1, "visit_uv_new": 1}
    return {"list": [{"ref_date": ref_date} | numbers]}


def _yesterday():
    return datetime.now(BEIJING).date() - timedelta(days=1)
