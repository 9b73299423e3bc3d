"""WeChat's reports, one period a call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from airflow_wechat.client.answers import Answer, rows_of
from airflow_wechat.client.errors import RenewTokenError, WaitForDataError
from airflow_wechat.client.periods import Period, compact
from airflow_wechat.client.reports import Report, Row
from airflow_wechat.client.tokens import TokenSource
from airflow_wechat.client.transport import Transport

DEFAULT_CONCURRENCY = 8

_RECENT = timedelta(days=3)


@dataclass(frozen=True)
class Fetched:
    """What WeChat said about one period: its rows (one or none), or that it is not published yet."""

    period: Period
    rows: list[Row] = field(default_factory=list)
    not_ready: WaitForDataError | None = None


class WeChatClient:
    """Asks WeChat for reports with the app's access token. Threads may share one.

    :param app_id: the AppID the rows are for
    :param clock: the present moment, with a time zone
    """

    def __init__(
        self,
        app_id: str,
        transport: Transport,
        tokens: TokenSource,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.app_id = app_id
        self._transport = transport
        self._tokens = tokens
        self._clock = clock

    def fetch(self, report: Report, period: Period) -> list[Row]:
        """Ask for one period.

        :return: its row in a list; an empty list where WeChat has no data for a period long over
        :raises WaitForDataError: where WeChat has not published the period: errcode 61503, or an empty
            list for a period that ended less than 3 days ago
        :raises WeChatError: for everything else that goes wrong, by its class
        """
        body = {"begin_date": compact(period.start), "end_date": compact(period.end)}
        answer = self.call(report.path, body)
        now = self._clock()
        rows = rows_of(report, period, self.app_id, answer, now)
        if not rows and now - period.ends_at < _RECENT:
            raise WaitForDataError(
                f"an empty list for {period}, which ended less than {_RECENT.days} days ago", path=report.path
            )
        return rows

    def fetch_many(
        self, report: Report, periods: Iterable[Period], *, max_concurrency: int = DEFAULT_CONCURRENCY
    ) -> Iterator[Fetched]:
        """Ask for many periods side by side and give each in the order of the periods.

        Only ``2 * max_concurrency`` periods are under way or held at once, however many there are.

        :raises WeChatError: at the place of the period that went wrong; those before it were given
        """
        self.check_credentials()  # once, not in each thread
        remaining = iter(periods)
        under_way: deque[Future[Fetched]] = deque()
        pool = ThreadPoolExecutor(max_concurrency, thread_name_prefix="wechat")
        try:
            while True:
                for period in islice(remaining, 2 * max_concurrency - len(under_way)):
                    under_way.append(pool.submit(self._fetch_or_wait, report, period))
                if not under_way:
                    return
                yield under_way.popleft().result()
        finally:
            # Not `with`: it would wait for requests that nobody wants any more, minutes where WeChat hangs.
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch_or_wait(self, report: Report, period: Period) -> Fetched:
        try:
            return Fetched(period, self.fetch(report, period))
        except WaitForDataError as not_ready:
            return Fetched(period, not_ready=not_ready)

    def call(self, path: str, body: dict[str, Any]) -> Answer:
        """Call a path with the app's access token; a stale token is renewed once.

        :return: WeChat's answer, a success
        :raises WeChatError: the class that the trouble stands for
        """
        token = self._tokens.token()
        try:
            return self._transport.post(path, body, access_token=token)
        except RenewTokenError:
            token = self._tokens.renewed(token)
        return self._transport.post(path, body, access_token=token)

    def check_credentials(self) -> None:
        """Make sure that WeChat gives this app a token; asks for no data.

        :raises WeChatError: where it does not, with the reason
        """
        self._tokens.token()
