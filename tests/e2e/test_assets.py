"""What follows a load: the events of its asset, the DAGs that they start, and what OpenLineage is told."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from operator import itemgetter

import pytest

from airflow_wechat.client.periods import Granularity
from airflow_wechat.client.reports import get_report
from airflow_wechat.sandbox.control import clock_from
from airflow_wechat.sandbox.numbers import entry_of
from e2e.airflow_api import ENDED, AirflowApiError, all_ended
from e2e.journal import asked_for
from e2e.lineage import FILE, told_of
from e2e.searched import forms_of, secrets_of

DAILY = get_report("daily_visit_trend")


@pytest.fixture
def unpaused(airflow):
    """Unpause DAGs until the test's end, the consumers of assets first."""
    dag_ids = []

    def unpause(*some):
        dag_ids.extend(some)
        for dag_id in some:
            airflow.api.unpause(dag_id)

    yield unpause
    for dag_id in dag_ids:
        airflow.api.pause(dag_id)
        airflow.wait(lambda dag_id=dag_id: all_ended(airflow.api.runs(dag_id)), f"runs of {dag_id} end")


@pytest.fixture
def run(airflow):
    """Trigger a DAG by hand, and return its run when it has ended."""
    return lambda dag_id, **conf: airflow.wait_for_run(dag_id, airflow.api.trigger(dag_id, conf))


@pytest.fixture
def consumed(airflow):
    """Wait until runs of another DAG have gone on with every event of a DAG, and return the events."""

    def wait(dag_id, count, consumer):
        def all_consumed():
            with suppress(AirflowApiError):  # Airflow cannot tell of a run that has not begun
                events = airflow.api.asset_events(dag_id)
                states = [states_of(event, consumer) for event in events]
                return len(events) >= count and all(one and one <= {*ENDED} for one in states) and events

        return airflow.wait(all_consumed, f"{consumer} has gone on with {count} events of {dag_id}")

    return wait


def states_of(event, dag_id):
    return {run["state"] for run in event["created_dagruns"] if run["dag_id"] == dag_id}


def periods_of(extras):
    return sorted(extra["periods"] for extra in extras)


def test_a_plain_consumer_starts_after_each_load(airflow, unpaused, run, consumed):
    unpaused("e2e_asset_consumer", "e2e_asset")

    for count in (1, 2):
        run("e2e_asset")
        consumed("e2e_asset", count, "e2e_asset_consumer")
        assert len(airflow.api.runs("e2e_asset_consumer")) == count


def test_each_day_of_a_backfill_is_told_and_gone_on_with_once(airflow, sandbox, unpaused, run, consumed):
    unpaused("e2e_asset_consumer", "e2e_asset")
    known = len(airflow.api.runs("e2e_asset"))

    airflow.api.create_backfill("e2e_asset", date(2026, 1, 3), date(2026, 1, 5))
    airflow.wait_for_runs("e2e_asset", known + 3)
    run("e2e_asset")  # with it comes what Airflow may have left over: it came while a run was being made
    events = consumed("e2e_asset", known + 4, "e2e_asset_consumer")

    backfilled = [event for event in events if event["source_run_id"].startswith("backfill")]
    assert {event["partition_key"] for event in backfilled} == {None}
    assert sorted((event["extra"] for event in backfilled), key=itemgetter("periods")) == [
        {
            "report": "daily_visit_trend",
            "app_id": sandbox.app.app_id,
            "target": "wechat_target:e2e_asset",
            "periods": [[f"2026-01-0{day}", f"2026-01-0{day}"]],
            "answered": 1,
            "rows": 1,
        }
        for day in (3, 4, 5)
    ]
    runs = [run["dag_run_id"] for run in airflow.api.runs("e2e_asset_consumer")]
    seen = [extra for run_id in runs for extra in airflow.api.xcom("e2e_asset_consumer", run_id, "seen")]
    assert periods_of(seen) == periods_of(event["extra"] for event in events)


def test_a_load_that_fails_starts_nothing(airflow, unpaused, run, consumed):
    unpaused("e2e_asset_failing_consumer", "e2e_asset_failing", "e2e_asset_consumer", "e2e_asset")

    failed = run("e2e_asset_failing")
    landed = run("e2e_asset")
    consumed("e2e_asset", 1, "e2e_asset_consumer")  # what came after it has been gone on with

    assert (failed["state"], landed["state"]) == ("failed", "success")
    assert airflow.api.asset_events("e2e_asset_failing") == []
    assert airflow.api.runs("e2e_asset_failing_consumer") == []


def test_a_load_that_waits_tells_once_and_all_of_it_when_it_has_landed(
    airflow, late_sandbox, target, unpaused, consumed
):
    dag_id = "e2e_asset_deferred"
    unpaused(f"{dag_id}_consumer", dag_id)
    late_sandbox.clock = clock_from(datetime.fromisoformat("2026-01-06T05:00:00+08:00"))
    run_id = airflow.api.trigger(dag_id)
    airflow.wait(lambda: airflow.api.task(dag_id, run_id, "load")["state"] == "deferred", "the load waits")
    landed, told = target.starts(dag_id), airflow.api.asset_events(dag_id)
    late_sandbox.clock = clock_from(datetime.fromisoformat("2026-01-06T12:00:00+08:00"))

    airflow.wait_for_run(dag_id, run_id)

    [event] = consumed(dag_id, 1, f"{dag_id}_consumer")
    assert (landed, told) == (["2026-01-03", "2026-01-04"], [])
    assert event["extra"]["periods"] == [["2026-01-03", "2026-01-05"]]
    assert (event["extra"]["answered"], event["extra"]["rows"]) == (3, 3)


def test_each_mapped_load_tells_for_itself(airflow, unpaused, run):
    unpaused("e2e_asset_mapped")

    run("e2e_asset_mapped")

    events = airflow.api.asset_events("e2e_asset_mapped")
    assert sorted((event["source_map_index"], event["extra"]["periods"]) for event in events) == [
        (0, [["2026-01-05", "2026-01-05"]]),
        (1, [["2026-01-07", "2026-01-07"]]),
    ]


def test_the_plain_sample_compares_the_days_that_have_landed(airflow, sandbox, unpaused, run, consumed, week):
    unpaused("wechat_after_each_load", "e2e_asset_sample")

    run("e2e_asset_sample")

    consumed("e2e_asset_sample", 1, "wechat_after_each_load")
    [newest] = airflow.api.runs("wechat_after_each_load")
    compared = airflow.api.xcom("wechat_after_each_load", newest["dag_run_id"], "compare_landed")
    assert compared[sandbox.app.app_id].items() >= changes_of(sandbox, 10, 11).items()


def changes_of(sandbox, *days):
    """By how many percent visitors changed from a week before, on these days of January 2026."""
    visitors = {
        day: entry_of(sandbox.app.app_id, Granularity.DAILY.period_of(date(2026, 1, day)), DAILY.fields)[
            "visit_uv"
        ]
        for day in range(1, 15)
    }
    return {f"2026-01-{day}": round(100 * (visitors[day] / visitors[day - 7] - 1), 1) for day in days}


# --- partitions


@pytest.fixture(scope="module")
def week(airflow, sandbox, first_runs):
    """A week that the sample DAG has landed in one run, and the runs of the DAGs that this started."""
    consumers = ("wechat_once_for_each_day", "e2e_asset_each_day", "e2e_asset_full_week", "e2e_asset_plain")
    dag_ids = (*consumers, "wechat_load_days")
    begin = len(sandbox.requests)
    for dag_id in dag_ids:
        airflow.api.unpause(dag_id)
    for first, last in (("2026-01-03", "2026-01-05"), ("2026-01-06", "2026-01-11")):
        run_id = airflow.api.trigger("wechat_load_days", {"begin_date": first, "end_date": last})
        assert airflow.wait_for_run("wechat_load_days", run_id)["state"] == "success"
    airflow.wait_for_runs("wechat_once_for_each_day", 9)
    airflow.wait_for_runs("e2e_asset_each_day", 9)
    airflow.wait_for_runs("e2e_asset_full_week", 1)
    yield sandbox.requests[begin:]
    for dag_id in dag_ids:
        airflow.api.pause(dag_id)


LANDED = [date(2026, 1, day) for day in range(3, 12)]
KEYS = [f"{day}T00:00:00" for day in LANDED]


def test_each_landed_day_is_an_event_with_its_key_and_there_is_no_other(airflow, week):
    events = airflow.api.asset_events("wechat_load_days")

    assert sorted(event["partition_key"] for event in events) == KEYS
    assert {
        event["partition_key"]
        for event in events
        if event["extra"]["periods"] == [["2026-01-03", "2026-01-05"]]
    } == {*KEYS[:3]}


def test_a_partitioned_consumer_runs_once_for_each_landed_day(airflow, week):
    runs = airflow.api.runs("wechat_once_for_each_day")

    assert sorted(run["partition_key"] for run in runs) == KEYS
    assert {run["state"] for run in runs} == {"success"}


def test_the_partitioned_sample_compares_its_day(airflow, sandbox, week):
    [run] = [run for run in airflow.api.runs("wechat_once_for_each_day") if run["partition_key"] == KEYS[-1]]

    compared = airflow.api.xcom("wechat_once_for_each_day", run["dag_run_id"], "compare_day")

    assert compared == {sandbox.app.app_id: changes_of(sandbox, 11)}


def test_our_operators_read_the_key_in_a_partitioned_consumer(target, week):
    asked = [
        (body["begin_date"], body["end_date"])
        for call in week
        if call.path == DAILY.path and (body := call.body)
    ]

    assert target.starts("e2e_asset_each_day") == [str(day) for day in LANDED]
    assert sorted(asked) == sorted(2 * [asked_for(Granularity.DAILY.period_of(day)) for day in LANDED])


def test_seven_landed_days_are_a_week(airflow, target, week):
    [run] = airflow.api.runs("e2e_asset_full_week")

    assert run["partition_key"] == "2026-01-05 (W02)"
    assert target.starts("e2e_asset_full_week") == ["2026-01-05"]


def test_partitions_do_not_start_a_plain_consumer(airflow, week):
    assert airflow.api.runs("e2e_asset_plain") == []


# --- OpenLineage


@pytest.fixture
def told(airflow, unpaused, run):
    """What OpenLineage was told of a load's end, and all that it was told of anything."""
    unpaused("e2e_asset")
    run_id = run("e2e_asset")["dag_run_id"]
    [end] = airflow.wait(
        lambda: told_of(airflow, "e2e_asset.load", run_id, "COMPLETE"), "OpenLineage is told"
    )
    return end, (airflow.home / FILE).read_text()


def test_openlineage_sees_the_table_and_its_columns(airflow, target, told):
    end, _ = told

    [output] = end["outputs"]

    server = target.server
    assert output["namespace"] == f"postgres://{server.host}:{server.port}"
    assert output["name"] == "target.public.e2e_asset"
    assert [(field["name"], field["description"]) for field in output["facets"]["schema"]["fields"]] == [
        (column.name, column.comment) for column in DAILY.columns
    ]


def test_openlineage_is_told_no_secret(sandbox, target, told, canaries):
    _, text = told
    tokens = {call.query["access_token"] for call in sandbox.requests if "access_token" in call.query}
    secrets = {*canaries.planted, *secrets_of(sandbox), target.server.password}

    assert tokens and {sandbox.app.secret, *tokens} <= secrets
    assert not [form for form in forms_of(secrets) if form in text]
