"""Examine the connections, and say what to do."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_wechat.client.reports import REPORTS
from airflow_wechat.commands.command import Argument, Command, stdout_kept_clean

if TYPE_CHECKING:
    from airflow_wechat.doctor.findings import Finding


def run(arguments: Namespace) -> int:
    """Print each finding as soon as it is known, or all of them as JSON.

    :return: 1 where a check failed, else 0
    """
    with stdout_kept_clean():
        from airflow_wechat.doctor.checks import examine
        from airflow_wechat.doctor.connections import patient_of
        from airflow_wechat.doctor.findings import as_json, exit_status

        examined = examine(patient_of(arguments.conn_id, arguments.sql_conn_id, arguments.report))
    findings = []
    for finding in _one_by_one(examined):
        findings.append(finding)
        if not arguments.json:
            print(finding, flush=True)
    if arguments.json:
        print(as_json(findings), flush=True)
    return exit_status(findings)


def _one_by_one(examined: Iterator[Finding]) -> Iterator[Finding]:
    while True:
        with stdout_kept_clean():
            finding = next(examined, None)
        if finding is None:
            return
        yield finding


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
