"""WeChat's reports, one period a call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

from airflow_wechat.client.answers import Answer, Quota, checked, quota_in, rows_of
from airflow_wechat.client.errors import RenewTokenError, WaitForDataError
from airflow_wechat.client.periods import Period
from airflow_wechat.client.reports import REPORTS, Report, Row
from airflow_wechat.client.routes import Question, Route, by_https
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.tokens import Proof, TokenSource
from airflow_wechat.client.transport import Transport

DEFAULT_CONCURRENCY = 8
QUOTA_PATH = "/cgi-bin/openapi/quota/get"

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
    :param route: how a report is asked for: by HTTPS, or through a cloud function
    :param clock: the present moment, with a time zone
    :param renews: whether a stale token is renewed, and the same asked once more
    """

    def __init__(
        self,
        app_id: str,
        transport: Transport,
        tokens: TokenSource,
        route: Route = by_https,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        renews: bool = True,
    ) -> None:
        self.app_id = app_id
        self._transport = transport
        self._tokens = tokens
        self._route = route
        self._clock = clock
        self._renews = renews

    @property
    def base_url(self) -> str:
        """Where WeChat is."""
        return self._transport.base_url

    @property
    def clock_ahead(self) -> float | None:
        """Seconds by which this machine's clock was ahead of WeChat's at the last answer; ``None`` before."""
        return self._transport.clock_ahead

    def fetch(self, report: Report, period: Period) -> list[Row]:
        """Ask for one period.

        :return: its row in a list; an empty list where WeChat has no data for a period long over
        :raises WaitForDataError: where WeChat has not published the period: errcode 61503, or an empty
            list for a period that ended less than 3 days ago
        :raises WeChatError: for everything else that goes wrong, by its class
        """
        question = self._route(report, period)
        answer = self.ask(question)
        now = self._clock()
        rows = rows_of(replace(report, path=question.name), period, self.app_id, answer, now)
        # By the clock that is behind the other: one that is ahead would lose the period without a word.
        if not rows and now - timedelta(seconds=max(self.clock_ahead or 0, 0)) - period.ends_at < _RECENT:
            raise WaitForDataError(
                f"an empty list for {period}, which ended less than {_RECENT.days} days ago",
                path=question.name,
            )
        return rows

    def fetch_many(
        self, report: Report, periods: Iterable[Period], *, max_concurrency: int = DEFAULT_CONCURRENCY
    ) -> Iterator[Fetched]:
        """Ask for many periods side by side and give each in the order of the periods.

        Only ``2 * max_concurrency`` periods are under way or held at once, however many there are.

        :raises WeChatError: at the place of the period that went wrong; those before it were given
        """
        self._tokens.token()  # once, not in each thread
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

    def ask(self, question: Question) -> Answer:
        """Ask with the app's access token; a stale token is renewed once.

        :return: WeChat's answer, a success
        :raises WeChatError: the class that the trouble stands for
        """
        token = self._tokens.token()
        try:
            return self._post(question, token)
        except RenewTokenError as refused:
            by_the_function = refused.path != question.path  # inside it our token does not count
            if by_the_function or not self._renews:
                raise
        return self._post(question, self._tokens.renewed(token))

    def _post(self, question: Question, token: Secret) -> Answer:
        query = dict(question.query)
        if token:
            query[self._tokens.parameter] = token
        return self._transport.post(question.path, question.body, query=query, read=question.read)

    def quota(self, report: Report) -> Quota:
        """Ask how many calls of a report the app has used today and how many are left; costs none of them.

        See https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/openApi-mgnt/getApiQuota.html

        :raises WeChatError: where WeChat does not tell
        """
        answer = self.ask(Question(QUOTA_PATH, {"cgi_path": report.path}, partial(checked, path=QUOTA_PATH)))
        return quota_in(answer, QUOTA_PATH)

    def check_credentials(self) -> Proof:
        """Make sure that WeChat accepts this app's token; asks for no data.

        :return: what has shown it
        :raises WeChatError: where it does not, with the reason
        """
        self._tokens.token()
        if self._tokens.proof is Proof.TRIED:
            self.quota(next(iter(REPORTS.values())))
        return self._tokens.proof
