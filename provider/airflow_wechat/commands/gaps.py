"""List the periods that a table lacks, with the backfill commands that fill them."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from warnings import catch_warnings

from airflow_wechat import gaps
from airflow_wechat.client.periods import PeriodRange, parse_day, stretches_of
from airflow_wechat.client.reports import REPORTS, Report, get_report
from airflow_wechat.commands.command import Argument, Command, stdout_kept_clean
from airflow_wechat.filling import due_periods, periods_not_due, plan_of

COMPLETE, MISSING, FAILED = 0, 1, 2
"""The exit statuses."""


def run(arguments: Namespace) -> int:
    """Print what is missing and how to fill it; all but the commands is a comment to a shell."""
    with stdout_kept_clean():
        from airflow.providers.common.compat.sdk import AirflowException
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        with stdout_kept_clean(), catch_warnings(action="ignore"):
            findings = _look(arguments)
    except (ValueError, OverflowError, OSError, ImportError, AirflowException) as error:
        return _failed(error)
    except DBAPIError as error:
        return _failed(error.orig)  # without the statement
    except SQLAlchemyError as error:
        return _failed(type(error).__name__)  # its words may hold an address with its password
    print(json.dumps(findings.as_json(), indent=2) if arguments.json else findings.as_script())
    return MISSING if findings.missing else COMPLETE


def _failed(reason: object) -> int:
    print(f"gaps: {' '.join(str(reason).split())}", file=sys.stderr)
    return FAILED


def _look(arguments: Namespace) -> gaps.Findings:
    """Compare what is stored with what is due."""
    from airflow_wechat.hooks.sql import sql_hook_of
    from airflow_wechat.storage.sql import ReportTable

    report, now = get_report(arguments.report), datetime.now(UTC)
    since = parse_day("since", arguments.since)
    app_id = _app_id(arguments.conn_id)
    table = ReportTable(sql_hook_of(arguments.sql_conn_id).get_sqlalchemy_engine(), report, arguments.table)
    stored = table.stored_starts(app_id, report.granularity.period_of(since).start if since else None)
    if since is None and not stored:
        raise ValueError(
            f"{arguments.sql_conn_id}:{table.name} holds nothing of app {app_id}: "
            f"say with --since from which day on it should"
        )
    due = due_periods(report.granularity, since or min(stored), now)
    missing = gaps.missing_of(due, stored)
    return gaps.Findings(
        report=report,
        target=f"{arguments.sql_conn_id}:{table.name}",
        app_id=app_id,
        due=due,
        missing=missing,
        to_be_published=gaps.missing_of(periods_not_due(due, now), stored),
        plans=_plans(report, stretches_of(missing), arguments.dag_id, now) if missing else (),
    )


def _app_id(conn_id: str) -> str:
    from airflow.providers.common.compat.sdk import BaseHook

    from airflow_wechat.hooks.wechat import app_id_of

    if app_id := app_id_of(BaseHook.get_connection(conn_id)):
        return app_id
    raise ValueError(f"conn_id={conn_id!r} has no login, which is the AppID")


def _plans(
    report: Report, stretches: Sequence[PeriodRange], dag_id: str | None, now: datetime
) -> list[gaps.Plan]:
    from airflow_wechat.airflow_versions import find_dags

    dags = find_dags(tag=report.name, dag_id=dag_id)
    if dag_id and not dags:
        raise ValueError(f"dag_id={dag_id!r} is no DAG that Airflow has read")
    return [plan_of(report, stretches, dag, now) for dag in dags]


COMMAND = Command(
    "gaps",
    "List the periods that a table lacks, and the backfill commands that fill them",
    (
        Argument("--report", "the report", {"required": True, "choices": tuple(REPORTS)}),
        Argument("--sql-conn-id", "the connection of the database", {"required": True}),
        Argument(
            "--conn-id",
            "the connection of the Mini Program, of which only the AppID is read (default: %(default)s)",
            {"default": "wechat_default"},
        ),
        Argument("--table", "table or schema.table (default: the report's own)"),
        Argument(
            "--since", "first day, YYYY-MM-DD or YYYYMMDD, in Beijing (default: the first that is stored)"
        ),
        Argument("--dag-id", "the DAG to backfill (default: those tagged with the report's name)"),
        Argument("--json", "print everything as JSON", {"action": "store_true"}),
    ),
    run,
)
