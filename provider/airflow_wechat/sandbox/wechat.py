"""WeChat's paths, and who answers them. No HTTP and no clock of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from airflow_wechat.client.reports import REPORTS, Report
from airflow_wechat.sandbox.calls import Call, posted
from airflow_wechat.sandbox.cloud import Cloud
from airflow_wechat.sandbox.cloud_run import CloudRun
from airflow_wechat.sandbox.component import Component
from airflow_wechat.sandbox.credentials import Credentials
from airflow_wechat.sandbox.permissions import Permissions
from airflow_wechat.sandbox.publishing import Publisher
from airflow_wechat.sandbox.refusals import Refusal
from airflow_wechat.sandbox.replies import Said
from airflow_wechat.sandbox.rules import Rules
from airflow_wechat.sandbox.security import ApiSecurity, Opened
from airflow_wechat.sandbox.tokens import Token, TokenBook

STABLE_TOKEN_PATH = "/cgi-bin/stable_token"  # noqa: S105
CLASSIC_TOKEN_PATH = "/cgi-bin/token"  # noqa: S105
AUTHORIZER_TOKEN_PATH = "/cgi-bin/component/api_authorizer_token"  # noqa: S105
QUOTA_PATH = "/cgi-bin/openapi/quota/get"
INVOKE_PATH = "/tcb/invokecloudfunction"


class WeChat:
    """Answers calls as WeChat does. Threads may share one."""

    def __init__(self, rules: Rules) -> None:
        app_ids = [app.app_id for app in rules.apps]
        self.permissions = Permissions()
        self.security = ApiSecurity(rules.sealed)
        self.cloud_run = CloudRun(app_ids[0], vouching=rules.cloud_run)
        self._tokens = TokenBook(rules.token_life)
        self.component = Component(app_ids, self._tokens, self.permissions)
        self._credentials = Credentials(rules, self._tokens, self.permissions)
        self._publisher = Publisher(rules, self.permissions)
        self._lock = threading.Lock()
        self._endpoints: dict[str, Callable[[Call, datetime], Said]] = {
            STABLE_TOKEN_PATH: self._credentials.stable_token,
            CLASSIC_TOKEN_PATH: self._credentials.classic_token,
            AUTHORIZER_TOKEN_PATH: self.component.authorizer_token,
            QUOTA_PATH: self._quota,
            INVOKE_PATH: Cloud(self._credentials, self._publisher, self.permissions).invoke,
            **{report.path: partial(self._report, report) for report in REPORTS.values()},
        }

    def say(self, call: Call, now: datetime) -> Said:
        """Return what WeChat says to a call.

        :param now: the present moment, with a time zone
        """
        try:
            with self._lock:
                return self._endpoint(call)(call, now)
        except Refusal as refusal:
            return Said(refusal.answer(now))

    def stable_token(self, app_id: str, now: datetime) -> Token:
        """Return the app's stable token, without asking for its AppSecret."""
        with self._lock:
            return self._tokens.stable(app_id, now)

    def end_tokens(self) -> None:
        """End every app's token at once, as another service with the same AppSecret would."""
        with self._lock:
            self._tokens.end_all()

    def _endpoint(self, call: Call) -> Callable[[Call, datetime], Said]:
        if call.path not in self._endpoints:
            raise Refusal(40066)  # what WeChat says of a path it does not know is our guess
        return self._endpoints[call.path]

    def _quota(self, call: Call, now: datetime) -> Said:
        app_id = self._credentials.holder(call, now)
        return Said(self._publisher.quota(app_id, posted(call).get("cgi_path"), now))

    def _report(self, report: Report, call: Call, now: datetime) -> Said:
        container = self.cloud_run.app_of(call)
        app_id = container or self._credentials.holder(call, now)
        said = self._answered(report, app_id, self.security.opened(app_id, call, now), now)
        return self.cloud_run.marked(said) if container else said

    def _answered(self, report: Report, app_id: str, opened: Opened, now: datetime) -> Said:
        try:
            answer = self._publisher.answer(report, app_id, posted(opened.call), now)
        except Refusal as refusal:  # here, so that it is sealed where the call was
            answer = refusal.answer(now)
        return Said(answer, opened.dress, opened.heard)
