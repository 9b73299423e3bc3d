"""The doctor as a task: for a DAG that looks after the connections."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_wechat.operators.report import refusing_bad_arguments

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_wechat.doctor.patient import Patient

_LEVELS = {"ok": logging.INFO, "skipped": logging.INFO, "warning": logging.WARNING, "failed": logging.ERROR}


class WeChatCheckOperator(BaseOperator):
    """Examine the connections as ``airflow wechat check`` does; each finding goes to the log.

    Asks WeChat for each report once at most, repeats nothing, and renews no token.

    Gives the findings to XCom, each with ``check``, ``state`` (``ok``, ``warning``, ``failed`` or
    ``skipped``), ``words`` and ``to_do``. Where a check has failed the task fails at once: its retries would
    find the same.

    :param wechat_conn_id: the connection to WeChat (templated)
    :param sql_conn_id: the connection to the database that loads write to; without it no database is looked
        at (templated)
    :param reports: the names of the reports to ask for; without it, all (templated)
    """

    template_fields: Sequence[str] = ("wechat_conn_id", "sql_conn_id", "reports")
    ui_color = "#d9f7e3"

    def __init__(
        self,
        *,
        wechat_conn_id: str = "wechat_default",
        sql_conn_id: str | None = None,
        reports: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wechat_conn_id = wechat_conn_id
        self.sql_conn_id = sql_conn_id
        self.reports = reports

    def execute(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow's signature
        """Examine the connections.

        :return: the findings, JSON-serialisable
        :raises AirflowFailException: where a check has failed, by the checks' names
        :raises BadArgumentError: for a name that is no report's
        """
        from airflow_wechat.doctor.checks import examine
        from airflow_wechat.doctor.findings import failures

        findings = []
        for finding in examine(self._patient()):
            findings.append(finding)
            self.log.log(_LEVELS[finding.state], "%s", finding)
        if failed := failures(findings):
            named = ", ".join(finding.check for finding in failed)
            raise AirflowFailException(f"failed: {named}. Each finding stands in the log, with what to do")
        return [finding.fields for finding in findings]

    def _patient(self) -> Patient:
        from airflow_wechat.doctor.connections import patient_of

        reports = [self.reports] if isinstance(self.reports, str) else self.reports
        with refusing_bad_arguments():
            return patient_of(self.wechat_conn_id, self.sql_conn_id, reports)
