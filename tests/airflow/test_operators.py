"""The fetch operators, and the behaviour all operators of reports share."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_wechat.client.errors import TryAgainError, WaitForDataError
from airflow_wechat.client.periods import BEIJING
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.operators.visit_trend import (
    WeChatDailyVisitTrendOperator,
    WeChatMonthlyVisitTrendOperator,
    WeChatWeeklyVisitTrendOperator,
)
from airflow_wechat.sandbox import App, Sandbox
from runs import connect, context_of_run

DAILY_PATH = REPORTS["daily_visit_trend"].path
NOT_READY = {"errcode": 61503, "errmsg": "data not ready, please try later rid: 1-2-3"}
EMPTY = {"list": []}

# 1 March 2026, midnight in Beijing: a Sunday, so the last complete week ended on 22 February.
END_OF_FEBRUARY = datetime(2026, 2, 28, 16, 0, tzinfo=UTC)


def run_of_february():
    return context_of_run(data_interval_end=END_OF_FEBRUARY)


def asked(sandbox) -> list[tuple[str, str]]:
    """The periods WeChat was asked for."""
    return [
        (request.body["begin_date"], request.body["end_date"])
        for request in sandbox.requests
        if request.path.startswith("/datacube/")
    ]


def yesterday() -> date:
    return datetime.now(BEIJING).date() - timedelta(days=1)


def fetch_yesterday(**kwargs):
    day = yesterday().isoformat()
    return WeChatDailyVisitTrendOperator(task_id="t", begin_date=day, **kwargs)


@pytest.mark.parametrize(
    ("operator", "period"),
    [
        (WeChatDailyVisitTrendOperator, ("20260228", "20260228")),
        (WeChatWeeklyVisitTrendOperator, ("20260216", "20260222")),
        (WeChatMonthlyVisitTrendOperator, ("20260201", "20260228")),
    ],
)
def test_each_asks_for_the_latest_period_complete_at_the_end_of_the_interval(wechat, operator, period):
    rows = operator(task_id="t").execute(run_of_february())

    assert asked(wechat) == [period]
    assert [row["period_start"].replace("-", "") for row in rows] == [period[0]]


def test_rows_are_json_in_the_order_of_their_periods(wechat):
    rows = WeChatDailyVisitTrendOperator(task_id="t", lookback=3).execute(run_of_february())

    assert json.loads(json.dumps(rows)) == rows
    assert [row["period_start"] for row in rows] == ["2026-02-25", "2026-02-26", "2026-02-27", "2026-02-28"]


def test_columns_come_in_the_order_of_the_contract(wechat):
    [row] = WeChatDailyVisitTrendOperator(task_id="t").execute(run_of_february())

    assert ",".join(row) == (
        "app_id,period_start,period_end,ref_date,session_cnt,visit_pv,visit_uv,visit_uv_new,"
        "stay_time_uv,stay_time_session,visit_depth,extra,fetched_at"
    )


def test_dates_are_rendered_from_templates(wechat):
    operator = WeChatWeeklyVisitTrendOperator(
        task_id="t", begin_date="{{ begin }}", end_date="{{ end }}", lookback="{{ back }}"
    )

    operator.render_template_fields({"begin": "2025-12-29", "end": "20260105", "back": 1})
    operator.execute(run_of_february())

    assert sorted(asked(wechat)) == [
        ("20251222", "20251228"),
        ("20251229", "20260104"),
        ("20260105", "20260111"),
    ]


def test_one_token_serves_the_whole_range(wechat):
    WeChatDailyVisitTrendOperator(task_id="t", begin_date="2025-01-01", end_date="2025-01-31").execute(
        run_of_february()
    )

    assert len(wechat.requests) == 31 + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"begin_date": "31.01.2026"}, "begin_date='31.01.2026' is no date"),
        ({"begin_date": "2026-02-30"}, "no day of the calendar"),
        ({"begin_date": "2026-02-02", "end_date": "2026-02-01"}, "lies before begin_date"),
        ({"begin_date": "2999-01-01"}, "the last allowed date is"),
        ({"lookback": "-1"}, "lookback='-1'"),
        ({"poll_interval": timedelta(0)}, "poll_interval"),
        ({"deferrable": "no"}, "deferrable='no' is not allowed: give True or False"),
        ({"wait_timeout": timedelta.max}, "is not allowed: give a timedelta above 0, at most a year"),
        ({"poll_interval": 900}, "poll_interval=900 is not allowed: give a timedelta"),
        ({"wait_timeout": 3600}, "wait_timeout=3600 is not allowed: give a timedelta"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": "4"}, "max_concurrency='4' is not allowed: give a whole number"),
        ({"max_concurrency": 2.5}, "max_concurrency=2.5"),
        ({"end_date": "2026-01-02", "through_date": "2026-01-02"}, "two names for one thing"),
    ],
)
def test_a_bad_argument_ends_the_task_before_any_request(wechat, arguments, message):
    operator = WeChatDailyVisitTrendOperator(task_id="t", **arguments)

    with pytest.raises(BadArgumentError, match=message):
        operator.execute(run_of_february())

    assert wechat.requests == []


@pytest.mark.parametrize("moment", ["data_interval_end", "run_after"])
def test_a_run_that_stands_for_a_period_not_over_yet_is_refused_before_any_request(wechat, moment):
    run = context_of_run(**{moment: datetime.now(UTC) + timedelta(days=40)})

    with pytest.raises(BadArgumentError, match="the last allowed date is"):
        WeChatMonthlyVisitTrendOperator(task_id="t").execute(run)

    assert wechat.requests == []


def test_a_bad_argument_is_both_a_value_error_and_airflows_final_failure():
    assert issubclass(BadArgumentError, ValueError)
    assert issubclass(BadArgumentError, AirflowFailException)


def test_what_only_a_person_can_mend_ends_the_task_at_once(connect_wechat):
    connect_wechat(password="wrong")

    with pytest.raises(AirflowFailException, match=r"40125.*correct the AppSecret"):
        WeChatDailyVisitTrendOperator(task_id="t").execute(run_of_february())


def test_a_connection_without_credentials_ends_the_task_before_any_request(connect_wechat, sandbox):
    connect_wechat(login=None)

    with pytest.raises(AirflowFailException, match="no AppID"):
        WeChatDailyVisitTrendOperator(task_id="t").execute(run_of_february())

    assert sandbox.requests == []


def test_a_passing_trouble_is_left_to_the_retries_of_the_task(wechat, monkeypatch):
    from airflow_wechat.client.transport import Transport

    monkeypatch.setitem(Transport.__init__.__kwdefaults__, "tries", 1)
    wechat.answer_next(DAILY_PATH, {"errcode": -1, "errmsg": "system error"})

    with pytest.raises(TryAgainError):
        WeChatDailyVisitTrendOperator(task_id="t").execute(run_of_february())


def test_a_datetime_as_end_date_is_airflows_own(wechat):
    operator = WeChatDailyVisitTrendOperator(task_id="t", end_date=datetime(2030, 1, 1, tzinfo=UTC))

    operator.execute(run_of_february())

    assert operator.end_date == datetime(2030, 1, 1, tzinfo=UTC)
    assert asked(wechat) == [("20260228", "20260228")]


def test_mapped_tasks_name_the_last_day_through_date(wechat):
    from airflow.providers.common.compat.sdk import DAG

    with DAG("many_apps", schedule=None):
        mapped = WeChatDailyVisitTrendOperator.partial(
            task_id="t", begin_date="2026-01-01", through_date="2026-01-02"
        ).expand(wechat_conn_id=["wechat_default"])
    operator = mapped.unmap({"wechat_conn_id": "wechat_default"})

    operator.execute(run_of_february())

    assert sorted(asked(wechat)) == [("20260101", "20260101"), ("20260102", "20260102")]


def test_a_text_as_end_date_does_not_end_the_tasks_own_schedule():
    assert WeChatDailyVisitTrendOperator(task_id="t", end_date="2026-01-31").end_date is None


# --- waiting


@pytest.mark.parametrize("answer", [NOT_READY, EMPTY])
def test_not_deferrable_a_late_period_is_left_to_the_retries(wechat, answer):
    wechat.answer_next(DAILY_PATH, answer)

    with pytest.raises(WaitForDataError):
        fetch_yesterday(deferrable=False).execute(context_of_run(max_tries=3))


def test_an_empty_answer_for_an_old_period_is_no_data(wechat, caplog, capsys):
    wechat.answer_next(DAILY_PATH, EMPTY)

    rows = WeChatDailyVisitTrendOperator(task_id="t", begin_date="2025-03-13").execute(run_of_february())

    assert rows == []
    logged = caplog.text + capsys.readouterr().out  # Airflow 2 logs to the one, Airflow 3 to the other
    assert "WeChat has no data for 2025-03-13 of daily_visit_trend" in logged


def test_deferrable_the_ready_periods_are_kept_and_only_the_rest_is_waited_for(wechat):
    operator = fetch_yesterday(deferrable=True, lookback=2, max_concurrency=1)
    wechat.answer_next(DAILY_PATH, *_usual_answers(2), NOT_READY)

    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context_of_run())

    pending = [yesterday().isoformat()]
    assert deferred.value.trigger.pending == pending
    assert deferred.value.kwargs["pending"] == pending
    assert len(deferred.value.kwargs["landed"]) == 2


def test_after_the_wait_only_the_rest_is_asked_again_and_all_rows_come_in_order(wechat):
    operator = fetch_yesterday(deferrable=True, lookback=1, max_concurrency=1)
    wechat.answer_next(DAILY_PATH, NOT_READY)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context_of_run())

    rows = fetch_yesterday(deferrable=True).resume(
        context_of_run(), event={"timed_out": False}, **deferred.value.kwargs
    )

    day = yesterday()
    assert [row["period_start"] for row in rows] == [(day - timedelta(days=1)).isoformat(), day.isoformat()]
    assert [begin for begin, _ in asked(wechat)] == [
        f"{day - timedelta(days=1):%Y%m%d}",
        f"{day:%Y%m%d}",
        f"{day - timedelta(days=1):%Y%m%d}",
    ]


def test_waiting_again_does_not_prolong_the_wait(wechat):
    operator = fetch_yesterday(deferrable=True)
    wechat.answer_next(DAILY_PATH, NOT_READY, NOT_READY)
    with pytest.raises(TaskDeferred) as first:
        operator.execute(context_of_run())

    with pytest.raises(TaskDeferred) as second:
        operator.resume(context_of_run(), event={"timed_out": False}, **first.value.kwargs)

    assert second.value.kwargs["wait_until"] == first.value.kwargs["wait_until"]


def test_a_wait_that_ends_unpublished_fails_for_good_and_says_what_was_waited_for(wechat):
    wechat.answer_next(DAILY_PATH, NOT_READY)
    operator = fetch_yesterday(deferrable=True, wait_timeout=timedelta(hours=5))

    with pytest.raises(AirflowFailException, match=rf"waited 5:00:00 .* {yesterday()}.*61503"):
        operator.resume(context_of_run(), {"timed_out": True}, *_waited_for_yesterday())


def test_a_wait_that_ends_with_nothing_but_empty_answers_is_no_data(wechat):
    wechat.answer_next(DAILY_PATH, EMPTY)

    rows = fetch_yesterday(deferrable=True).resume(
        context_of_run(), {"timed_out": True}, *_waited_for_yesterday()
    )

    assert rows == []


def test_not_deferrable_the_last_retry_takes_an_empty_answer_as_no_data(wechat):
    wechat.answer_next(DAILY_PATH, EMPTY)

    rows = fetch_yesterday(deferrable=False, retries=3).execute(context_of_run(try_number=4, max_tries=3))

    assert rows == []


def test_a_cleared_task_without_retries_has_no_last_retry(wechat):
    wechat.answer_next(DAILY_PATH, EMPTY)

    with pytest.raises(WaitForDataError):  # clearing sets max_tries to the tries made
        fetch_yesterday(deferrable=False, retries=0).execute(context_of_run(try_number=2, max_tries=1))


def test_without_retries_an_empty_answer_for_a_recent_period_is_no_success(wechat):
    wechat.answer_next(DAILY_PATH, EMPTY)

    with pytest.raises(WaitForDataError):
        fetch_yesterday(deferrable=False).execute(context_of_run(try_number=1, max_tries=0))


def test_not_ready_is_no_success_on_the_last_retry_either(wechat):
    wechat.answer_next(DAILY_PATH, NOT_READY)

    with pytest.raises(WaitForDataError):
        fetch_yesterday(deferrable=False, retries=3).execute(context_of_run(try_number=4, max_tries=3))


def test_what_waits_carries_no_secret(monkeypatch):
    secret = "a+b/c%d=e f&g"
    with Sandbox(publish_hour=0, apps=(App("wx0000000000000001", secret),)) as sandbox:
        connect(monkeypatch, "wechat_default", sandbox.connection)
        sandbox.answer_next(DAILY_PATH, NOT_READY)
        with pytest.raises(TaskDeferred) as deferred:
            fetch_yesterday(deferrable=True).execute(context_of_run())
        tokens = [r.query["access_token"] for r in sandbox.requests if "access_token" in r.query]

    stored = repr((deferred.value.trigger.serialize(), deferred.value.kwargs))

    assert tokens
    assert all(text not in stored for text in [secret, *tokens])


def _waited_for_yesterday():
    return [yesterday().isoformat()], [], datetime.now(UTC).isoformat()


def _usual_answers(count: int) -> list[dict]:
    day = yesterday()
    return [
        {
            "list": [
                {
                    "ref_date": f"{day - timedelta(days=count - n):%Y%m%d}",
                    "session_cnt": 7,
                    "visit_pv": 36,
                    "visit_uv": 3,
                    "visit_uv_new": 0,
                }
            ]
        }
        for n in range(count)
    ]
