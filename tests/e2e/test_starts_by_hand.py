"""Runs that a person, another system or an asset begins."""

from __future__ import annotations

from datetime import datetime

import pytest

from e2e.loading import complete_at, states

BY_COMMAND = {"cli_report": "daily", "cli_bare": "monthly", "cli_partition": "weekly"}

BY_REST = {
    # 00:30 on 6 January in Beijing.
    "rest_report_daily": ({"logical_date": "2026-01-05T16:30:00Z"}, "20260105"),
    "rest_report_weekly": ({"logical_date": "2026-01-05T00:00:00Z"}, "20251229-20260104"),
    "rest_report_monthly": ({"logical_date": "2024-02-29T16:00:00Z"}, "20240201-20240229"),
    "rest_interval": ({"logical_date": "2026-01-07T00:00:00Z"}, "20251229-20260104"),
    "rest_cron": ({"logical_date": "2026-01-01T00:00:00+08:00"}, "20251231"),
    # A second before midnight in Beijing.
    "rest_bare": ({"logical_date": "2026-01-05T15:59:59Z"}, "20260104"),
    "rest_given_interval": (
        {
            "logical_date": "2026-01-09T00:00:00Z",
            "data_interval_start": "2026-01-01T00:00:00+08:00",
            "data_interval_end": "2026-01-03T00:00:00+08:00",
        },
        "20260102",
    ),
    "rest_run_after": ({"run_after": "2026-01-05T16:00:00Z"}, "20260105"),
    "key_of_cron": ({"partition_key": "2024-02-29T00:00:00"}, "20240229"),
}

BY_KEY = {
    "key_daily": {
        "2026-01-31T00:00:00": "20260131",
        "2024-02-29": "20240229",
        "20251231": "20251231",
    },
    "key_weekly": {
        "2025-12-29 (W01)": "20251229-20260104",
        "2026-03-01": "20260223-20260301",
    },
    "key_monthly": {
        "2024-02": "20240201-20240229",
        "202512": "20251201-20251231",
    },
}

REFUSED_KEYS = {
    "key_no_day": ("tuesday", "partition key 'tuesday' names no day: allowed are 2026-01-31T00:00:00"),
    "key_no_day_of_the_calendar": ("2026-02-30", "partition key '2026-02-30' names no day"),
    "key_not_over": (
        "2099-01",
        "2099-01-01 lies in a month that is not over yet in Beijing; the last allowed",
    ),
}

FORMS = {
    "form": ({"begin_date": "2024-02-27", "end_date": "20240301"}, {}, "daily"),
    "form_one_day": ({"begin_date": "2026-01-01"}, {}, "weekly"),
    "form_and_date": ({"end_date": "2025-12-31"}, {"logical_date": "2026-03-05T00:00:00Z"}, "monthly"),
}

FORMS_LOAD = {
    "form": ["20240227", "20240228", "20240229", "20240301"],
    "form_one_day": ["20251229-20260104"],
    "form_and_date": ["20251201-20251231"],
}

BY_ASSET = {"daily": "daily", "monthly": "monthly", "or_time": "weekly"}


@pytest.fixture(scope="module")
def begun(airflow, loading):
    """Trigger all of them, to run side by side."""
    for asset in (*BY_ASSET, "keyed"):
        loading(f"e2e_on_asset_{asset}").begin()
    airflow.api.unpause("e2e_producer")
    airflow.api.trigger("e2e_producer")
    post_event(airflow, "e2e_keyed", "2024-02-29")
    for name, (options, _) in BY_REST.items():
        trigger(loading, name, **options)
    for name, keys in BY_KEY.items():
        for key in keys:
            trigger(loading, name, partition_key=key)
    for name, (key, _) in REFUSED_KEYS.items():
        trigger(loading, name, partition_key=key)
    for name, (conf, options, _) in FORMS.items():
        trigger(loading, name, conf=conf, **options)
    for name in BY_COMMAND:
        loading(f"e2e_hand_{name}").begin()
        airflow.airflow("dags", "trigger", f"e2e_hand_{name}")


def trigger(loading, name, **options):
    dag = loading(f"e2e_hand_{name}")
    dag.begin()
    dag.airflow.api.trigger(dag.dag_id, **options)


def post_event(airflow, asset, key):
    (found,) = airflow.api.call("GET", "/assets", params={"name_pattern": asset})["assets"]
    airflow.api.call("POST", "/assets/events", json={"asset_id": found["id"], "partition_key": key})


@pytest.fixture
def by_hand(begun, loading):
    return lambda name: loading(f"e2e_hand_{name}")


@pytest.mark.parametrize("name", BY_COMMAND)
def test_a_command_without_dates_loads_the_latest_complete_period(by_hand, name):
    dag = by_hand(name)

    (run,) = dag.ended()

    period = complete_at(BY_COMMAND[name], datetime.fromisoformat(run["run_after"]))
    assert (run["state"], run["run_type"], run["logical_date"]) == ("success", "manual", None)
    assert (dag.asked(), dag.landed()) == ([period], [period])


@pytest.mark.parametrize("name", BY_REST)
def test_a_run_triggered_for_a_moment_loads_the_period_of_that_moment(by_hand, name):
    dag = by_hand(name)
    _, period = BY_REST[name]

    runs = dag.ended()

    assert (len(runs), states(runs)) == (1, {"success"})
    assert (dag.asked(), dag.landed()) == ([period], [period])


@pytest.mark.parametrize("name", BY_KEY)
def test_a_run_for_a_partition_key_loads_the_period_that_the_key_names(by_hand, name):
    dag = by_hand(name)
    expected = sorted(BY_KEY[name].values())

    runs = dag.ended()

    assert {run["partition_key"] for run in runs} == set(BY_KEY[name])
    assert states(runs) == {"success"}
    assert (sorted(dag.asked()), dag.landed()) == (expected, expected)


@pytest.mark.parametrize("name", REFUSED_KEYS)
def test_a_key_that_names_no_period_to_be_had_fails_at_once_and_leaves_nothing(by_hand, airflow, name):
    dag = by_hand(name)

    (run,) = dag.ended()

    task = airflow.api.task(dag.dag_id, run["dag_run_id"], "load")
    log = airflow.api.log(dag.dag_id, run["dag_run_id"], "load")
    assert (run["state"], task["state"], task["try_number"]) == ("failed", "failed", 1)
    assert REFUSED_KEYS[name][1] in log
    assert dag.sandbox.requests == []
    assert not dag.has_table()


@pytest.mark.parametrize("name", FORMS)
def test_dates_in_the_form_decide_whatever_else_the_run_carries(by_hand, name):
    dag = by_hand(name)
    expected = FORMS_LOAD[name]

    runs = dag.ended()

    assert (len(runs), states(runs)) == (1, {"success"})
    assert (sorted(dag.asked()), dag.landed()) == (expected, expected)


@pytest.mark.parametrize("name", BY_ASSET)
def test_a_run_begun_by_an_asset_loads_the_latest_complete_period(begun, loading, name):
    dag = loading(f"e2e_on_asset_{name}")

    (run,) = dag.ended()

    period = complete_at(BY_ASSET[name], datetime.fromisoformat(run["run_after"]))
    assert (run["state"], run["run_type"]) == ("success", "asset_triggered")
    assert (dag.asked(), dag.landed()) == ([period], [period])


def test_a_run_begun_by_an_assets_partition_loads_the_period_of_its_key(begun, loading):
    dag = loading("e2e_on_asset_keyed")

    (run,) = dag.ended()

    assert (run["state"], run["partition_key"]) == ("success", "2024-02-29")
    assert (dag.asked(), dag.landed()) == (["20240229"], ["20240229"])
