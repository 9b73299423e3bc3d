"""The command that lists gaps and prints what fills them: in this process, and in one of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from airflow_features import logs_to_stderr
from airflow_wechat.airflow_versions import backfill_form
from airflow_wechat.client.periods import PeriodRange
from airflow_wechat.client.reports import REPORTS, get_report
from airflow_wechat.filling import due_periods
from airflow_wechat.gaps import dates_of
from airflow_wechat.storage.sql import ReportTable
from own_dags import read_own_dags, run_process
from runs import connect

APP_ID = "wx0123456789abcdef"
TRIGGER = ("airflow", "dags", "trigger", "wechat_load_range", "--conf")
GAPS = ("airflow_wechat", "gaps", "--report", "daily_visit_trend", "--sql-conn-id", "wechat_target")
# Up to Airflow 3.0 stdout ends at DEBUG with Airflow's own words, after we are done.
LOG_LEVEL = "DEBUG" if logs_to_stderr() else "INFO"
OWN_FORM = backfill_form()


@pytest.fixture(scope="module")
def metadata():
    """Airflow's database, with own DAGs."""
    read_own_dags()


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """Take back what the command tells Airflow of this process."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")


@pytest.fixture
def target(metadata, sqlite_target, monkeypatch):
    """Store an app's periods, all from the tenth before the newest on but some; gives the periods."""
    connect(monkeypatch, "wechat_default", {"conn_type": "wechat", "login": APP_ID})

    def store(report="daily_visit_trend", *, missing=(), app_id=APP_ID, table=None):
        report = get_report(report)
        newest = due_periods(report.granularity, date(2026, 1, 1), datetime.now(UTC)).last
        periods = list(PeriodRange(newest.earlier(9), newest))
        engine = sa.create_engine(f"sqlite:///{sqlite_target}")
        stored = ReportTable(engine, report, table)
        stored.create()
        stored.replace([row(report, app_id, one) for at, one in enumerate(periods) if at not in missing])
        engine.dispose()
        return periods

    return store


def row(report, app_id, period):
    values = dict.fromkeys((column.name for column in report.columns), 1)
    texts = {"app_id": app_id, "ref_date": period.ref_date, "extra": None}
    dates = {"period_start": str(period.start), "period_end": str(period.end)}
    return values | texts | dates | {"fetched_at": "2026-01-01T00:00:00+00:00"}


def run_command(*flags, report="daily_visit_trend"):
    from airflow_wechat.__main__ import main

    return main(["gaps", "--report", report, "--sql-conn-id", "wechat_target", *flags])


def own_command(dag_id, first, last):
    return OWN_FORM.command(
        dag_id, *vars(dates_of(PeriodRange(first, last), plain=OWN_FORM.plain_days)).values()
    )


def unpaused(dag_id):
    return [f"airflow dags unpause {dag_id}"] if OWN_FORM.scheduled else []


def commands_in(script):
    return [line for line in script.splitlines() if not line.startswith("# ")]


def test_a_complete_table_has_no_gaps_and_the_status_is_0(target, capsys):
    periods = target()

    status = run_command()

    line = f"# wechat_target:wechat_daily_visit_trend, app {APP_ID}, {PeriodRange(periods[0], periods[-1])}: "
    assert status == 0
    assert capsys.readouterr().out.splitlines()[0] == line + "10 days there, 0 missing"


def test_each_stretch_gets_its_command_and_the_status_is_1(target, capsys):
    periods = target(missing=(3, 4, 7))

    status = run_command()

    out = capsys.readouterr().out
    assert status == 1
    assert f"# missing: {periods[3].start}..{periods[4].start} (2 days)" in out
    assert f"# missing: {periods[7].start} (1 day)" in out
    assert commands_in(out) == [
        *unpaused("own_daily"),
        own_command("own_daily", periods[3], periods[4]),
        own_command("own_daily", periods[7], periods[7]),
    ]


def test_since_looks_further_back_than_what_is_stored(target, capsys):
    periods = target(missing=(0, 1))

    assert run_command() == 0
    assert run_command("--since", f"{periods[1].start:%Y%m%d}") == 1
    assert f"# missing: {periods[1].start} (1 day)" in capsys.readouterr().out


def test_other_apps_and_other_tables_do_not_count(target, capsys):
    periods = target(missing=(2,))
    target(app_id="wxother")
    target(table="elsewhere")

    assert run_command("--since", str(periods[0].start)) == 1
    assert run_command("--table", "elsewhere") == 0


def test_a_table_that_is_not_there_lacks_everything(target, capsys):
    newest = target()[-1]

    assert run_command("--table", "nowhere", "--since", str(newest.start)) == 1
    assert "0 days there, 1 missing" in capsys.readouterr().out


def test_of_several_dags_each_is_named_and_one_can_be_picked(target, capsys):
    periods = target("weekly_visit_trend", missing=(5,))

    run_command(report="weekly_visit_trend")
    both = capsys.readouterr().out
    run_command("--dag-id", "own_weekly_two", report="weekly_visit_trend")
    one = capsys.readouterr().out

    assert "# 2 DAGs are tagged weekly_visit_trend" in both
    assert "# DAG own_weekly_one, schedule WeChat weekly" in both
    assert own_command("own_weekly_one", periods[5], periods[5]) in commands_in(both)
    assert commands_in(one) == [
        *unpaused("own_weekly_two"),
        own_command("own_weekly_two", periods[5], periods[5]),
    ]


def test_without_a_dag_the_tag_is_named_and_the_dag_for_ranges(target, capsys):
    periods = target("monthly_visit_trend", missing=(1, 2))

    status = run_command(report="monthly_visit_trend")

    out = capsys.readouterr().out
    conf = {
        "report": "monthly_visit_trend",
        "begin_date": str(periods[1].start),
        "end_date": str(periods[2].end),
    }
    [trigger] = [line[2:] for line in out.splitlines() if line.startswith("# airflow ")]
    assert status == 1
    assert commands_in(out) == []
    assert "# No DAG is tagged monthly_visit_trend" in out
    assert shlex.split(trigger) == [*TRIGGER, json.dumps(conf)]


def test_of_a_dag_with_another_schedule_the_dates_are_to_be_checked(target, capsys):
    target(missing=(3,))

    run_command("--dag-id", "cron")
    cron = capsys.readouterr().out
    run_command("--dag-id", "no_schedule")
    none = capsys.readouterr().out

    assert "check the dates with --dry-run first" in cron
    assert len(commands_in(cron)) == len(unpaused("cron")) + 1
    assert "# Its schedule has no run for these" in none
    assert commands_in(none) == []


def test_json_holds_everything(target, capsys):
    periods = target(missing=(3, 4))

    status = run_command("--json")

    document = json.loads(capsys.readouterr().out)
    first, last = str(periods[3].start), str(periods[4].start)
    assert status == 1
    assert document["missing"] == [{"first_day": day, "last_day": day} for day in (first, last)]
    assert document["stretches"] == [{"first_day": first, "last_day": last}]
    assert document["due"] == {
        "first_day": str(periods[0].start),
        "last_day": str(periods[-1].start),
        "count": 10,
    }
    [dag] = document["dags"]
    assert dag == {
        "dag_id": "own_daily",
        "paused": True,
        "schedule": "WeChat daily",
        "dates_are_sure": True,
        "commands": [*unpaused("own_daily"), own_command("own_daily", periods[3], periods[4])],
    }


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--conn-id", "nowhere"], "nowhere"),
        (["--sql-conn-id", "nowhere"], "nowhere"),
        (["--sql-conn-id", "wechat_default"], "no SQL database"),
        (["--since", "2026-02-30"], "since='2026-02-30' is no day of the calendar"),
        (["--since", "9999-12-31"], "range"),
        (["--table", "a; b"], "table='a; b' is not allowed"),
        (["--table", "empty"], "say with --since"),
        (["--dag-id", "nowhere"], "dag_id='nowhere'"),
    ],
)
def test_what_cannot_be_looked_up_is_one_line_of_stderr_and_the_status_is_2(target, capsys, flags, words):
    target(missing=(3,))

    status = run_command(*flags)

    out, err = capsys.readouterr()
    [line] = [line for line in err.splitlines() if " INFO - " not in line]  # Airflow 2 tells what it looks up
    assert (status, out) == (2, "")
    assert line.startswith("gaps: ")
    assert words in line


def test_a_database_that_does_not_answer_is_the_status_2(target, monkeypatch, capsys):
    target()
    connect(monkeypatch, "wechat_target", {"conn_type": "sqlite", "host": "/nowhere/at/all.db"})

    assert run_command() == 2
    assert "unable to open database file" in capsys.readouterr().err


def test_blanks_around_the_app_id_are_not_part_of_it_as_in_loads(target, monkeypatch):
    target()
    connect(monkeypatch, "wechat_default", {"conn_type": "wechat", "login": f" {APP_ID}\n"})

    assert run_command() == 0


def test_a_connection_without_an_app_id_is_the_status_2(target, monkeypatch, capsys):
    connect(monkeypatch, "wechat_default", {"conn_type": "wechat"})

    assert run_command() == 2
    assert "AppID" in capsys.readouterr().err


def test_the_command_offers_every_report(capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(report="yearly")

    assert caught.value.code == 2
    assert set(REPORTS) == set(re.findall(r"\w+_visit_trend", capsys.readouterr().err))


# In a process of its own


def test_what_it_prints_is_a_script_that_runs_these_commands_and_nothing_else(target, tmp_path):
    periods = target(missing=(3, 4, 7))
    noted = tmp_path / "noted"
    (tmp_path / "airflow").write_text(f'#!/bin/sh\necho "airflow $*" >> {noted}\n')
    (tmp_path / "airflow").chmod(0o755)

    done = run_process(*GAPS, AIRFLOW__LOGGING__LOGGING_LEVEL=LOG_LEVEL)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-eu"], input=done.stdout, env=path, text=True, check=True)

    assert done.returncode == 1
    assert noted.read_text().splitlines() == [
        *unpaused("own_daily"),
        own_command("own_daily", periods[3], periods[4]),
        own_command("own_daily", periods[7], periods[7]),
    ]


def test_where_airflow_would_read_plain_days_as_other_days_the_dates_say_their_zone(target):
    periods = target(missing=(3,))

    done = run_process(*GAPS, AIRFLOW__CORE__DEFAULT_TIMEZONE="Asia/Tokyo")

    assert f"-date {periods[3].start}T00:00:00+08:00 " in done.stdout
