"""The doctor as a command: in this process, and by both ways to it in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace

import pytest

from airflow_features import logs_to_stderr, needs_providers_commands
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.commands import check
from airflow_wechat.sandbox import Sandbox

DAILY_PATH = REPORTS["daily_visit_trend"].path


def run_command(*flags):
    from airflow_wechat.__main__ import main

    return main(["check", *flags])


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """Take back what the command tells Airflow of this process."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")


def test_the_command_prints_a_line_each_and_exits_with_0(wechat, sqlite_target, capsys):
    status = run_command("--sql-conn-id", "wechat_target")

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert lines[0].startswith("ok      connection                     AppID wx0123456789abcdef")
    assert lines[-1].startswith("ok      table monthly_visit_trend")


def test_the_command_prints_each_line_as_soon_as_it_is_known(wechat, monkeypatch):
    printed = []
    monkeypatch.setattr(
        "builtins.print", lambda *words, **_: printed.append((str(words[0]), wechat.requests))
    )

    run_command("--report", "daily_visit_trend")

    [before] = [requests for line, requests in printed if " connection " in line]
    assert before == []


def test_the_command_exits_with_1_where_a_check_failed(connect_wechat, capsys):
    connect_wechat(password="another-secret")

    status = run_command()

    out = capsys.readouterr().out
    assert status == 1
    assert "FAILED  token                          errcode 40125" in out
    assert "        -> correct the AppSecret (password)" in out
    assert "another-secret" not in out


def test_the_command_prints_nothing_but_json_where_it_is_asked_to(wechat, capsys):
    status = run_command("--json", "--report", "daily_visit_trend", "--report", "monthly_visit_trend")

    document = json.loads(capsys.readouterr().out)
    assert status == 0
    assert document["healthy"] is True
    assert [f["check"] for f in document["findings"] if f["check"].startswith("permission")] == [
        "permission daily_visit_trend",
        "permission monthly_visit_trend",
    ]


def test_the_command_offers_every_report():
    [report] = [argument for argument in check.COMMAND.arguments if argument.name == "--report"]

    assert tuple(report.options["choices"]) == tuple(REPORTS)


def test_a_report_that_there_is_not_is_refused_by_the_command(capsys):
    with pytest.raises(SystemExit) as caught:
        run_command("--report", "yearly")

    assert caught.value.code == 2
    assert "daily_visit_trend" in capsys.readouterr().err


def test_without_flags_the_default_connection_and_all_reports_are_examined(wechat, capsys):
    bare = Namespace(conn_id="wechat_default", sql_conn_id=None, report=None, json=False)

    assert check.COMMAND.run(bare) == 0
    assert capsys.readouterr().out.count("permission") == len(REPORTS)


# In processes of their own


@pytest.fixture(scope="module")
def stored():
    """A sandbox, and its connection in a database of Airflow's, not in the environment."""
    with Sandbox(publish_hour=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def environment(stored, tmp_path_factory):
    """The environment of an Airflow whose database knows the sandbox as ``stored``."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")}
    environment |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    environment.pop("_AIRFLOW_PROCESS_CONTEXT", None)
    run_process(environment, "airflow", "db", "migrate")
    fields = json.dumps(stored.connection)
    run_process(environment, "airflow", "connections", "add", "stored", "--conn-json", fields)
    return environment


def run_process(environment, module, *words):
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("level", "command"),
    [
        # Up to Airflow 3.0 stdout ends at DEBUG with Airflow's own words, after we are done.
        ("DEBUG" if logs_to_stderr() else "INFO", ["airflow_wechat", "check"]),
        # At DEBUG this one's stdout begins with Airflow's own words, before it comes to us.
        pytest.param("INFO", ["airflow", "wechat", "check"], marks=needs_providers_commands),
    ],
)
def test_both_ways_to_the_command_find_what_airflow_stores_and_print_json_alone(
    stored, environment, level, command
):
    before = len(stored.requests)
    level = {"AIRFLOW__LOGGING__LOGGING_LEVEL": level}

    done = run_process(environment | level, *command, "--conn-id", "stored", "--json")

    asked = stored.requests[before:]
    secrets = {stored.app.secret, stored.stable_token(stored.app)}
    assert (done.returncode, json.loads(done.stdout)["healthy"]) == (0, True)
    assert [request.path for request in asked].count(DAILY_PATH) == 1
    assert not [secret for secret in secrets if secret in done.stdout + done.stderr]


def test_a_failure_is_the_exit_status_of_the_process(environment):
    done = run_process(environment, "airflow_wechat", "check", "--conn-id", "nowhere")

    assert done.returncode == 1
    first = done.stdout.splitlines()[0]
    assert first.split(maxsplit=2) == ["FAILED", "connection", "Airflow has no connection 'nowhere'"]
