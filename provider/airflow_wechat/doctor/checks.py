"""Every check, in order, and what each needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from airflow_wechat.client.reports import Report
from airflow_wechat.doctor import database, network, wechat
from airflow_wechat.doctor.findings import Finding, State, Verdict
from airflow_wechat.doctor.patient import Patient


@dataclass(frozen=True)
class Check:
    """A check.

    :param needs: the check without whose success this one would tell nothing new
    """

    name: str
    run: Callable[[Patient], Verdict]
    needs: str = ""


def examine(patient: Patient) -> Iterator[Finding]:
    """Run every check, and give what each finds as soon as it is known.

    A check that needs one that failed is skipped.
    """
    failed: dict[str, str] = {}  # by a check's name, the one that is at the root of its not telling
    for check in checks_of(patient):
        if root := failed.get(check.needs):
            failed[check.name] = root
            yield Finding(check.name, State.SKIPPED, f"{root} failed")
            continue
        verdict = check.run(patient)
        if verdict.state is State.FAILED:
            failed[check.name] = check.name
        yield Finding(check.name, *verdict)


def checks_of(patient: Patient) -> Iterator[Check]:
    """Return the checks in their order; the clock comes after the answers that tell WeChat's time."""
    yield from _FIRST
    for report in patient.reports:
        yield from _checks_of_report(report)
    yield Check("clock", wechat.clock, needs="tls")
    yield Check("database", database.database)
    if patient.reach_database:
        for report in patient.reports:
            yield Check(f"table {report.name}", partial(database.table, report=report), needs="database")


_FIRST = (
    Check("connection", wechat.connection),
    Check("dns", network.dns, needs="connection"),
    Check("tls", network.tls, needs="dns"),
    Check("token", wechat.token, needs="tls"),
    Check("ip", wechat.address, needs="tls"),
)


def _checks_of_report(report: Report) -> Iterator[Check]:
    permission = f"permission {report.name}"
    yield Check(permission, partial(wechat.permission, report=report), needs="token")
    yield Check(f"newest {report.name}", partial(wechat.newest, report=report), needs=permission)
    yield Check(f"quota {report.name}", partial(wechat.quota, report=report), needs="token")
