"""The trends page's server: who may see what, what it says where it cannot read, and how quick it is."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from airflow_wechat import provider_info
from airflow_wechat.airflow_versions import AIRFLOW_3, plugins_have_pages
from airflow_wechat.client.answers import rows_of
from airflow_wechat.client.periods import Granularity, PeriodRange
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.gaps import Dates, Plan
from airflow_wechat.plugin import WeChatPlugin
from airflow_wechat.storage.sql import ReportTable
from airflow_wechat.trends import answers

DAILY = REPORTS["daily_visit_trend"]
MEASURES = [field.name for field in DAILY.fields]
STATIC = Path(answers.__file__).parent / "static"
PASSWORD = "s3cret+/%=& canary"
RANGE = "app_id=wx1&begin=2026-01-01&end=2026-01-10"

needs_pages = pytest.mark.skipif(not plugins_have_pages(), reason="pages of plugins came with Airflow 3.1")


def day(text: str):
    return Granularity.DAILY.period_of(date.fromisoformat(text))


def days(first: str, last: str) -> PeriodRange:
    return PeriodRange(day(first), day(last))


def row(start: date, number: int):
    period = Granularity.DAILY.period_of(start)
    found = {"ref_date": period.ref_date, **dict.fromkeys(MEASURES, number)}
    now = datetime(2026, 1, 20, tzinfo=UTC)
    (made,) = rows_of(DAILY, period, "wx1", {"list": [found]}, now)
    return made


# What it is told


def test_a_trend_is_told_column_by_column():
    rows = [(date(2026, 1, 1), date(2026, 1, 1), 1, 2, 3, 4, 5.5, None, 7.5)]

    told = answers.trend(DAILY, rows)

    assert list(told) == ["period_start", "period_end", *MEASURES]
    assert told["period_start"] == ["2026-01-01"]
    assert told["stay_time_session"] == [None]
    assert json.loads(json.dumps(told)) == told
    assert answers.trend(DAILY, []) == {name: [] for name in told}


def test_coverage_tells_landed_from_missing_from_still_to_be_published():
    # 2026-01-11 9:00 in Beijing: the 10th is over, but WeChat publishes it later this morning.
    now = datetime(2026, 1, 11, 1, tzinfo=UTC)

    told = answers.coverage(DAILY, days("2026-01-05", "2026-01-20"), {date(2026, 1, 6)}, now)

    assert [(one["start"][-2:], one["state"]) for one in told["periods"]] == [
        ("05", "missing"),
        ("06", "landed"),
        ("07", "missing"),
        ("08", "missing"),
        ("09", "missing"),
        ("10", "to_be_published"),
    ]
    assert told["gaps"] == [
        {"first": "2026-01-05", "last": "2026-01-05", "count": 1},
        {"first": "2026-01-07", "last": "2026-01-09", "count": 3},
    ]


def test_a_range_that_lies_ahead_is_covered_by_nothing():
    told = answers.coverage(DAILY, days("2026-02-01", "2026-02-02"), set(), datetime(2026, 1, 11, tzinfo=UTC))

    assert told == {"periods": [], "gaps": []}


@pytest.mark.parametrize(
    ("dates", "begin"),
    [
        (Dates("2026-01-05T00:00:00+08:00", "2026-01-06T00:00:00+08:00"), "2026-01-05T00:00:00+08:00"),
        (Dates("2026-01-05", "2026-01-06"), "2026-01-05T00:00:00Z"),
    ],
)
def test_a_plan_is_the_body_of_a_request_that_runs_again_what_is_there(dates, begin):
    gap = days("2026-01-05", "2026-01-06")
    plan = Plan(DAILY, "load", False, "each day", True, AIRFLOW_3, [(gap, dates)])

    body = answers.plan(plan, may_fill=True)["backfill"]

    assert body["from_date"] == begin
    assert (body["dag_id"], body["reprocess_behavior"]) == ("load", "completed")


def test_a_schedule_without_a_run_for_the_gap_has_no_request():
    plan = Plan(
        DAILY, "load", False, "each day", False, AIRFLOW_3, [(days("2026-01-05", "2026-01-06"), None)]
    )

    assert answers.plan(plan, may_fill=True)["backfill"] is None


# What it answers


class OfDags:
    """An auth manager that lets see some DAGs, and start runs of some."""

    def __init__(self, readable, writable=()):
        self.readable, self.writable = set(readable), set(writable)

    def get_authorized_dag_ids(self, *, user, method):
        assert (user, method) == ("someone", "GET")
        return self.readable

    def is_authorized_dag(self, *, method, access_entity, details, user):
        assert (user, method, access_entity.name) == ("someone", "POST", "RUN")
        return details.id in self.writable


@pytest.fixture
def ask(monkeypatch, sqlite_target):
    """Ask the page's server as someone who may read the DAG of the daily report, and no other."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.testclient import TestClient

    from airflow_wechat.trends import permissions
    from airflow_wechat.trends.application import create_application

    tagged = {"daily_visit_trend": {"load_days"}, "weekly_visit_trend": {"load_weeks"}}
    monkeypatch.setattr(permissions, "tagged_dags", lambda tag: tagged.get(tag, set()))
    monkeypatch.setattr(permissions, "get_auth_manager", lambda: OfDags(["load_days"]))
    monkeypatch.setenv("AIRFLOW__WECHAT__TRENDS_SQL_CONN_ID", "wechat_target")
    application = create_application()
    application.dependency_overrides[get_user] = lambda: "someone"
    client = TestClient(application)

    def get(path):
        return client.get(path)

    return get


@pytest.fixture
def stored(sqlite_target):
    """Three days in the table, with a gap."""
    import sqlalchemy as sa

    table = ReportTable(sa.create_engine(f"sqlite:///{sqlite_target}"), DAILY)
    table.create()
    table.replace([row(date(2026, 1, number), number) for number in (1, 2, 4)])
    return table


@needs_pages
def test_the_numbers_of_the_table_are_answered(ask, stored):
    told = ask(f"/api/trend?report=daily_visit_trend&{RANGE}").json()

    assert told["period_start"] == ["2026-01-01", "2026-01-02", "2026-01-04"]
    assert told["visit_pv"] == [1, 2, 4]


@needs_pages
def test_only_reports_with_a_dag_that_may_be_read_can_be_chosen(ask, stored):
    (report,) = ask("/api/choices").json()["reports"]

    assert report["name"] == "daily_visit_trend"
    assert report["apps"] == [{"app_id": "wx1", "first": "2026-01-01", "last": "2026-01-04"}]
    assert [measure["name"] for measure in report["measures"]] == MEASURES


@needs_pages
@pytest.mark.parametrize("name", ["weekly_visit_trend", "monthly_visit_trend", "no_such_report"])
@pytest.mark.parametrize("route", ["trend", "coverage", "plans"])
def test_a_report_without_such_a_dag_is_refused(ask, stored, route, name):
    assert ask(f"/api/{route}?report={name}&{RANGE}").status_code == 403


@needs_pages
@pytest.mark.parametrize(
    "query",
    [
        "begin=2026-01-02&end=2026-01-01",
        "begin=0001-01-01&end=2026-01-01",
        "begin=x&end=y",
        "begin=2026-01-01&end=9999-12-31",
    ],
)
def test_a_range_that_is_none_is_refused(ask, stored, query):
    assert ask(f"/api/coverage?report=daily_visit_trend&app_id=wx1&{query}").status_code == 422


@needs_pages
def test_an_app_id_is_a_value_and_no_part_of_the_statement(ask, stored):
    injected = "x' OR '1'='1"

    told = ask(f"/api/trend?report=daily_visit_trend&app_id={injected}&begin=2026-01-01&end=2026-01-10")

    assert told.json()["period_start"] == []


@needs_pages
def test_reading_writes_nothing(ask, sqlite_target):
    assert ask("/api/choices").json()["problem"] == "empty"
    assert not sqlite_target.exists() or b"wechat" not in sqlite_target.read_bytes()


@needs_pages
@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("AIRFLOW__WECHAT__TRENDS_SQL_CONN_ID", "", "no_setting"),
        ("AIRFLOW__WECHAT__TRENDS_SQL_CONN_ID", "not_there", "connection"),
        ("AIRFLOW__WECHAT__TRENDS_SQL_CONN_ID", "wechat_default", "connection"),
        ("AIRFLOW__WECHAT__TRENDS_SQL_CONN_ID", "closed", "database"),
        ("AIRFLOW__WECHAT__TRENDS_TABLE_PREFIX", "a.b.c_", "table_name"),
        ("AIRFLOW__WECHAT__TRENDS_TABLE_PREFIX", "other_", "empty"),
    ],
)
def test_each_trouble_has_a_name_that_the_page_has_words_for(
    ask, stored, wechat, monkeypatch, variable, value, problem
):
    closed = {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "u", "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_CLOSED", json.dumps(closed))
    monkeypatch.setenv(variable, value)

    answer = ask("/api/choices")

    assert (answer.status_code, answer.json()["problem"]) == (503, problem)
    assert PASSWORD not in answer.text
    for texts in json.loads((STATIC / "texts.json").read_text()).values():
        assert f"problem_{problem}" in texts


@needs_pages
def test_a_database_that_hangs_is_waited_for_only_so_long(ask, stored, monkeypatch):
    from airflow_wechat.trends import source

    let_go = threading.Event()
    monkeypatch.setattr(source, "_PATIENCE", 0.2)
    monkeypatch.setattr(ReportTable, "apps", lambda _: let_go.wait(30))
    answers_of_hanging = [ask("/api/choices").json()["problem"] for _ in range(9)]  # one more than at once
    let_go.set()

    assert answers_of_hanging == ["database"] * 9


@needs_pages
def test_what_a_driver_raises_past_sqlalchemy_is_a_trouble_of_the_database(ask, stored, monkeypatch):
    def fail(_):
        raise RuntimeError(f"a package is missing for {PASSWORD}")

    monkeypatch.setattr(ReportTable, "apps", fail)

    assert ask("/api/choices").json() == {"problem": "database", "detail": "wechat_target"}


@needs_pages
def test_a_gap_of_more_than_ten_years_is_offered_no_backfill(ask, stored):
    query = "report=daily_visit_trend&begin=2000-01-01&end=2026-01-01"

    assert ask(f"/api/plans?{query}").status_code == 422


@needs_pages
def test_whoever_may_read_no_such_dag_is_told_so(ask, stored, monkeypatch):
    from airflow_wechat.trends import permissions

    monkeypatch.setattr(permissions, "get_auth_manager", lambda: OfDags([]))

    assert ask("/api/choices").json()["problem"] == "no_dag"


@needs_pages
def test_without_plotly_the_page_says_so_and_the_numbers_are_there(ask, stored, monkeypatch):
    from airflow_wechat.trends import application

    monkeypatch.setattr(application, "_files", dict)

    assert ask("/api/choices").json()["plotly"] is False
    assert ask("/files/plotly.min.js").status_code == 404


@needs_pages
@pytest.mark.parametrize("path", ["/", "/files/page.js", "/api/choices", "/files/..%2fapplication.py"])
def test_every_answer_forbids_what_the_page_does_not_need(ask, stored, path):
    policy = ask(path).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


@needs_pages
@pytest.mark.parametrize("name", ["..%2fapplication.py", "application.py", "index.html", "%2e%2e"])
def test_only_the_pages_own_files_are_served(ask, name):
    assert ask(f"/files/{name}").status_code == 404


# The plugin


def test_older_airflows_simply_lack_the_page():
    assert bool(WeChatPlugin.external_views) is bool(WeChatPlugin.fastapi_apps) is plugins_have_pages()


def test_importing_the_plugin_imports_nothing_of_the_page():
    code = (
        "from airflow.providers.common.compat.sdk import AirflowPlugin, conf;"
        "from airflow.timetables import base; import sys;"
        "before = set(sys.modules); import airflow_wechat.plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    imported = set(done.stdout.split())
    assert "airflow_wechat.trends.page" in imported
    assert {name.partition(".")[0] for name in imported} <= {"airflow_wechat", "pendulum", "airflow"}
    assert not {"airflow_wechat.trends.application", "airflow_wechat.storage.sql"} & imported


def test_both_languages_say_the_same_things():
    english, chinese = json.loads((STATIC / "texts.json").read_text()).values()

    assert list(english) == list(chinese)
    places = [[text.count("{"), text.count("}")] for text in english.values()]
    assert places == [[text.count("{"), text.count("}")] for text in chinese.values()]


def test_every_measure_has_a_name_a_unit_and_a_colour():
    english, _ = json.loads((STATIC / "texts.json").read_text()).values()
    chart, style = ((STATIC / name).read_text() for name in ("chart.js", "style.css"))

    for measure in MEASURES:
        assert measure in english
        assert f"  {measure}: " in chart
        assert style.count(f"--{measure}: #") == 2  # light and dark


def test_the_settings_are_known_to_airflow():
    options = provider_info.get_provider_info()["config"]["wechat"]["options"]

    assert set(options) == {"trends_sql_conn_id", "trends_table_prefix"}
