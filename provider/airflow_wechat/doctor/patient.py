"""What is examined, and what the checks have learnt of it so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_wechat.client.errors import WeChatError
from airflow_wechat.client.periods import Period, latest_complete
from airflow_wechat.client.reports import Report, Row

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from airflow_wechat.client.client import WeChatClient
    from airflow_wechat.client.options import Options


class UnusableError(Exception):
    """A connection cannot be used.

    :param words: why, without a secret
    :param to_do: what to do about it
    """

    def __init__(self, words: str, to_do: str) -> None:
        super().__init__(words, to_do)
        self.words = words
        self.to_do = to_do


@dataclass(frozen=True)
class Access:
    """A way to WeChat.

    :param client: makes each request once and renews no token
    :param options: what the connection says
    """

    client: WeChatClient
    options: Options


@dataclass(frozen=True)
class Database:
    """A database that rows land in.

    :param secrets: what its connection holds that nobody may read
    """

    engine: Engine
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Answer:
    """What WeChat said about a report's latest complete period: its rows, or an error."""

    period: Period
    rows: list[Row] = field(default_factory=list)
    error: WeChatError | None = None


@dataclass
class Patient:
    """What is examined.

    :param reach_wechat: reads the connection; raises :class:`UnusableError`, or what making a client raises
    :param reports: the reports to ask for
    :param reach_database: reads the SQL connection; raises :class:`UnusableError`
    :param now: the present moment, with a time zone
    """

    reach_wechat: Callable[[], Access]
    reports: tuple[Report, ...]
    reach_database: Callable[[], Database] | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    access: Access = field(init=False)
    """Set by the check of the connection."""
    database: Database = field(init=False)
    """Set by the check of the database."""
    app_id: str = field(default="", init=False)
    token_error: WeChatError | None = field(default=None, init=False)
    answers: dict[str, Answer] = field(default_factory=dict, init=False)
    """By the reports' names."""

    @property
    def client(self) -> WeChatClient:
        """The client to ask with."""
        return self.access.client

    def option(self, name: str) -> str:
        """Return an option of the connection."""
        return self.access.options[name]

    def ask(self, report: Report) -> Answer:
        """Ask WeChat for a report's latest complete period, by one request; a second call asks nothing."""
        if report.name not in self.answers:
            period = latest_complete(report.granularity, self.now())
            try:
                answer = Answer(period, self.client.fetch(report, period))
            except WeChatError as error:
                answer = Answer(period, error=error)
            self.answers[report.name] = answer
        return self.answers[report.name]
