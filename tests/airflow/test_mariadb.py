"""What reads a table again, on a real MariaDB."""

from __future__ import annotations

import pytest

from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from own_dags import read_own_dags
from runs import context_of_run

LOADED = (("2026-01-01", "2026-01-03"), ("2026-01-05", "2026-01-05"))


@pytest.fixture
def loaded(wechat, mariadb_engine):
    for first, last in LOADED:
        WeChatReportToSqlOperator(
            task_id="load",
            report="daily_visit_trend",
            sql_conn_id="wechat_target",
            begin_date=first,
            end_date=last,
        ).execute(context_of_run())


def run_command(*words):
    from airflow_wechat.__main__ import main

    return main([*words, "--sql-conn-id", "wechat_target"])


def test_the_doctor_finds_the_table_as_it_should_be(loaded, capsys):
    status = run_command("check")

    assert status == 0
    assert "4 rows of" in capsys.readouterr().out


def test_the_gap_is_found(loaded, capsys):
    read_own_dags()

    run_command("gaps", "--report", "daily_visit_trend", "--since", "2026-01-01")

    assert "# missing: 2026-01-04 (1 day)" in capsys.readouterr().out
