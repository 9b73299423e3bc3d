"""What all operators of reports share: which periods to ask for, in which order, and how to wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, conf

from airflow_wechat.airflow_versions import moments_of
from airflow_wechat.client.errors import WeChatError
from airflow_wechat.client.periods import Period, PeriodRange, periods_of_run
from airflow_wechat.client.reports import Report, get_report

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_wechat.client.client import Fetched
    from airflow_wechat.hooks.wechat import WeChatHook

_BATCH = 100


class BadArgumentError(AirflowFailException, ValueError):
    """An argument that no retry can make right; ends the task at once."""


@dataclass(frozen=True)
class _Wait:
    """A wait for WeChat: when it ends, and whether it has ended; a task begins without one."""

    until: datetime | None = None
    over: bool = False


class WeChatReportOperator(BaseOperator):
    """Fetch a report for the periods a run stands for; what becomes of the rows is a subclass's.

    Without dates a run asks for its own period: its partition's, else the latest complete one at the end of
    its data interval, else at its ``run_after``, always in Beijing.

    Where WeChat has not published a period yet, the others are landed first. Then a deferrable task leaves
    the worker until WeChat has; any other fails and leaves the waiting to its retries. Only where the wait
    ends with nothing but empty answers is that taken as "no data", with a warning.

    :param wechat_conn_id: the connection with AppID and AppSecret (templated)
    :param begin_date: first Beijing day, included, ``YYYY-MM-DD`` or ``YYYYMMDD``; every period with a day
        in the range is asked for; alone, the period that holds it (templated)
    :param end_date: last Beijing day, included; alone, the period that holds it (templated). A datetime is
        taken as what Airflow means by it: the end of the task's own schedule
    :param through_date: another name for ``end_date``, for mapped tasks, where Airflow keeps that name for
        itself (templated)
    :param lookback: that many periods before as well, for numbers that WeChat may have revised (templated)
    :param deferrable: wait in the triggerer; default: ``[operators] default_deferrable``
    :param poll_interval: how often WeChat is asked while waiting
    :param wait_timeout: how long to wait before the task fails for good
    :param max_concurrency: how many requests may be under way at once
    """

    template_fields: Sequence[str] = ("wechat_conn_id", "begin_date", "through_date", "lookback")
    ui_color = "#d9f7e3"

    report: str

    def __init__(
        self,
        *,
        wechat_conn_id: str = "wechat_default",
        begin_date: str | date | None = None,
        end_date: str | date | datetime | None = None,
        through_date: str | date | None = None,
        lookback: int | str = 0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: timedelta = timedelta(minutes=15),
        wait_timeout: timedelta = timedelta(hours=24),
        max_concurrency: int = 8,
        **kwargs: Any,
    ) -> None:
        own_end_date = end_date if isinstance(end_date, datetime) else None
        super().__init__(end_date=own_end_date, **kwargs)
        self.wechat_conn_id = wechat_conn_id
        self.begin_date = begin_date
        self.through_date = through_date or (None if own_end_date else end_date)
        self._both_ends_given = bool(through_date and end_date and not own_end_date)
        self.lookback = lookback
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.wait_timeout = wait_timeout
        self.max_concurrency = max_concurrency

    def execute(self, context: Context) -> Any:
        """Fetch and land the run's periods.

        :return: what landed, JSON-serialisable
        :raises BadArgumentError: for arguments that are not allowed, before any request
        :raises AirflowFailException: for what only a person can mend
        :raises WeChatError: for what a retry may mend
        """
        with _ending_where_retries_are_useless():
            with refusing_bad_arguments():
                self._check_arguments()
                periods = self._periods(context)
                landed = self._begin()
            self.log.info("Asking WeChat for %s of %s", self.report, periods)
            return self._load(context, periods, landed, _Wait())

    def resume(
        self, context: Context, event: dict[str, Any], pending: list[str], landed: Any, wait_until: str
    ) -> Any:
        """Go on after the wait: ask again for what was not published before; a trigger's event calls it.

        :param event: ``timed_out``: whether the wait has reached its end
        :param pending: the first days of the periods to ask for again
        :param landed: what landed before
        :param wait_until: when the wait ends
        :return: as :meth:`execute`, with what landed before
        """
        with _ending_where_retries_are_useless():
            granularity = self._report.granularity
            periods = [granularity.period_of(date.fromisoformat(start)) for start in pending]
            wait = _Wait(datetime.fromisoformat(wait_until), over=event["timed_out"])
            return self._load(context, periods, landed, wait)

    def _begin(self) -> Any:
        """Make ready to land, and return what has landed so far: nothing, JSON-serialisable."""
        raise NotImplementedError

    def _land(self, landed: Any, fetched: list[Fetched]) -> Any:
        """Land some more periods, and return all that has landed."""
        raise NotImplementedError

    def _announce(self, context: Context, landed: Any) -> None:
        """Tell others what has landed, once everything has."""

    def _result(self, landed: Any) -> Any:
        """Return what goes to XCom."""
        return landed

    def _check_arguments(self) -> None:
        checks = (
            ("deferrable", isinstance(self.deferrable, bool), "True or False"),
            ("poll_interval", _is_time(self.poll_interval), "a timedelta above 0, at most a year"),
            ("wait_timeout", _is_time(self.wait_timeout), "a timedelta above 0, at most a year"),
            ("max_concurrency", _is_count(self.max_concurrency), "a whole number, 1 or more"),
        )
        for name, allowed, what in checks:
            if not allowed:
                raise ValueError(f"{name}={getattr(self, name)!r} is not allowed: give {what}")
        if self._both_ends_given:
            raise ValueError("end_date and through_date are two names for one thing: give one of them")
        _ = self._report, self.hook.client

    def _periods(self, context: Context) -> PeriodRange:
        return periods_of_run(
            self._report.granularity,
            moments_of(context),
            now=datetime.now(UTC),
            begin_date=self.begin_date,
            end_date=self.through_date,
            lookback=self.lookback,
        )

    @property
    def _report(self) -> Report:
        return get_report(self.report)

    @cached_property
    def hook(self) -> WeChatHook:
        """The hook, made when first needed."""
        from airflow_wechat.hooks.wechat import WeChatHook

        return WeChatHook(self.wechat_conn_id)

    def _load(self, context: Context, periods: Iterable[Period], landed: Any, wait: _Wait) -> Any:
        waiting: list[Fetched] = []
        answered = 0
        fetched = self.hook.client.fetch_many(self._report, periods, max_concurrency=self.max_concurrency)
        try:
            for batch in _in_batches(fetched):
                waiting += [one for one in batch if one.not_ready]
                landed = self._land(landed, [one for one in batch if not one.not_ready])
                answered += len(batch)
                self._tell(batch)
        except WeChatError as error:
            missing = [*(one.period for one in waiting), *islice(periods, answered, None)]
            if not answered or min(missing) == next(iter(periods)):
                raise
            raise error.with_advice(f"{error.advice}; {self._to_go_on(missing)}") from error
        if waiting and not self._may_be_no_data(context, waiting, wait):
            self._wait(waiting, landed, wait)
        self._announce(context, landed)
        return self._result(landed)

    def _to_go_on(self, missing: list[Period]) -> str:
        first, last = min(missing), max(missing)
        without = " without lookback" if str(self.lookback) != "0" else ""
        return (
            f"what comes before {first} has landed: to go on, give begin_date={first.start} and "
            f"end_date={last.end}{without}; a retry asks for the whole range again"
        )

    def _tell(self, batch: list[Fetched]) -> None:
        for one in batch:
            if not (one.rows or one.not_ready):
                self.log.warning("WeChat has no data for %s of %s", one.period, self.report)
        landed = sum(len(one.rows) for one in batch)
        self.log.info("Landed %d of %d periods, up to %s", landed, len(batch), batch[-1].period)

    def _may_be_no_data(self, context: Context, waiting: list[Fetched], wait: _Wait) -> bool:
        """Tell whether the wait is over and WeChat had nothing but empty answers: no reason to fail."""
        if not all(one.not_ready and one.not_ready.empty for one in waiting):
            return False
        if not (wait.over or self._is_last_retry(context)):
            return False
        for one in waiting:
            self.log.warning("WeChat still has no data for %s of %s", one.period, self.report)
        return True

    def _is_last_retry(self, context: Context) -> bool:
        instance = context["ti"]
        # Not by max_tries alone: clearing a task without retries raises it as well.
        return not self.deferrable and bool(self.retries) and instance.max_tries < instance.try_number

    def _wait(self, waiting: list[Fetched], landed: Any, wait: _Wait) -> None:
        not_ready = waiting[0].not_ready
        assert not_ready
        if wait.over:
            named = ", ".join(str(one.period) for one in waiting[:10])
            raise AirflowFailException(
                f"waited {self.wait_timeout} for WeChat to publish {self.report} of {named}: {not_ready}"
            )
        if not self.deferrable:
            raise not_ready
        self._defer(waiting, landed, wait.until or datetime.now(UTC) + self.wait_timeout)

    def _defer(self, waiting: list[Fetched], landed: Any, wait_until: datetime) -> None:
        from airflow_wechat.triggers.report import ReportPublishedTrigger

        pending = [one.period.start.isoformat() for one in waiting]
        self.log.info("Waiting until %s for WeChat to publish %s", wait_until, ", ".join(pending[:10]))
        self.defer(
            trigger=ReportPublishedTrigger(
                report=self.report,
                wechat_conn_id=self.wechat_conn_id,
                pending=pending,
                poll_interval=self.poll_interval.total_seconds(),
                asked_at=datetime.now(UTC).isoformat(),
                wait_until=wait_until.isoformat(),
            ),
            method_name="resume",
            kwargs={"pending": pending, "landed": landed, "wait_until": wait_until.isoformat()},
        )


def _is_time(value: object) -> bool:
    return isinstance(value, timedelta) and timedelta() < value <= timedelta(days=366)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _in_batches(fetched: Iterable[Fetched]) -> Iterator[list[Fetched]]:
    """Group what comes; before an error is passed on, what came before it is given."""
    batch: list[Fetched] = []
    try:
        for one in fetched:
            batch.append(one)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    except WeChatError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


@contextmanager
def refusing_bad_arguments() -> Iterator[None]:
    """Turn a ``ValueError`` into one that ends the task at once: a retry would get the same arguments."""
    try:
        yield
    except ValueError as error:
        raise BadArgumentError(str(error)) from error


@contextmanager
def _ending_where_retries_are_useless() -> Iterator[None]:
    try:
        yield
    except WeChatError as error:
        if error.retryable:
            raise
        raise AirflowFailException(str(error)) from error
