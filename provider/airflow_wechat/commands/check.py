"""Examine the connections, and say what to do."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import redirect_stdout

from airflow_wechat.client.reports import REPORTS
from airflow_wechat.commands.command import Argument, Command


def run(arguments: Namespace) -> int:
    """Print each finding as soon as it is known, or all of them as JSON.

    :return: 1 where a check failed, else 0
    """
    out = sys.stdout
    with redirect_stdout(sys.stderr):  # where Airflow logs to otherwise
        from airflow_wechat.doctor.checks import examine
        from airflow_wechat.doctor.connections import patient_of
        from airflow_wechat.doctor.findings import as_json, exit_status

        findings = []
        for finding in examine(patient_of(arguments.conn_id, arguments.sql_conn_id, arguments.report)):
            findings.append(finding)
            if not arguments.json:
                print(finding, file=out, flush=True)
        if arguments.json:
            print(as_json(findings), file=out, flush=True)
    return exit_status(findings)


COMMAND = Command(
    "check",
    "Examine the connections to WeChat and the database, and say what to do; asks for each report once",
    (
        Argument("--conn-id", "the connection to WeChat", {"default": "wechat_default"}),
        Argument("--sql-conn-id", "the connection to the database that loads write to", {"default": None}),
        Argument(
            "--report",
            "a report to ask for, may be given several times; without it, all",
            {"action": "append", "choices": tuple(REPORTS)},
        ),
        Argument("--json", "print one JSON document", {"action": "store_true"}),
    ),
    run,
)
