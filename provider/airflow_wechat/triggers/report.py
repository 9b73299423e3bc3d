"""Waiting in the triggerer until WeChat publishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_wechat.client.errors import WaitForDataError, WaitForQuotaError, WeChatError
from airflow_wechat.client.reports import get_report

if TYPE_CHECKING:
    from airflow_wechat.client.periods import Period
    from airflow_wechat.hooks.wechat import WeChatHook

# Of our own: where WeChat hangs, what else runs in the triggerer is not to queue for the loop's few threads.
_THREADS = ThreadPoolExecutor(32, thread_name_prefix="wechat")


class ReportPublishedTrigger(BaseTrigger):
    """Fires when WeChat has published one of the periods waited for, or when the wait ends.

    It only asks; the task fetches. WeChat is asked in a thread, so that the triggerer's loop goes on; all
    triggers of a process that ask with the same connection share one client. A trouble that passes is waited
    out; one that does not fires, and the task meets it itself. When to ask follows from what Airflow stores
    alone: a triggerer that takes the wait over asks when the one before would have asked.

    :param report: the report's name
    :param wechat_conn_id: the connection to ask with
    :param pending: first days of the periods waited for, ISO
    :param poll_interval: seconds between two times of asking
    :param asked_at: when the task has asked, ISO with a time zone
    :param wait_until: when the wait ends, likewise
    """

    def __init__(
        self,
        report: str,
        wechat_conn_id: str,
        pending: list[str],
        poll_interval: float,
        asked_at: str,
        wait_until: str,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.report = report
        self.wechat_conn_id = wechat_conn_id
        self.pending = pending
        self.poll_interval = poll_interval
        self.asked_at = asked_at
        self.wait_until = wait_until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores to start the trigger again; no secret among it."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "report": self.report,
                "wechat_conn_id": self.wechat_conn_id,
                "pending": self.pending,
                "poll_interval": self.poll_interval,
                "asked_at": self.asked_at,
                "wait_until": self.wait_until,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask every ``poll_interval``, first after one has passed, until something is published."""
        from airflow_wechat.hooks.wechat import WeChatHook

        hook = WeChatHook(self.wechat_conn_id)
        # Airflow 3.0 answers a thread that asks for a connection only where asgiref started the thread.
        published = sync_to_async(self._any_worth_asking_for, thread_sensitive=False, executor=_THREADS)
        asked_at = moment = datetime.fromisoformat(self.asked_at)
        wait_until = datetime.fromisoformat(self.wait_until)
        while True:
            # Not before the moment that has just been slept to, should this machine's clock be set back.
            moment = max(moment, datetime.now(UTC))
            moment = next_moment(moment, asked_at, timedelta(seconds=self.poll_interval), wait_until)
            await asyncio.sleep((moment - datetime.now(UTC)).total_seconds())
            if moment >= wait_until or await published(hook):
                break
        yield _event(timed_out=moment >= wait_until)

    def _any_worth_asking_for(self, hook: WeChatHook) -> bool:
        granularity = get_report(self.report).granularity
        periods = [granularity.period_of(date.fromisoformat(start)) for start in self.pending]
        try:
            return any(self._worth_asking_for(hook, period) for period in periods)
        except WaitForQuotaError as error:  # what is left of this round would be refused as well
            self.log.warning("While waiting for WeChat: %s", error)
            return False
        except (ValueError, AirflowNotFoundException) as error:  # the connection was changed meanwhile
            self.log.warning("While waiting for WeChat: %s", error)
            return True
        except AirflowException as error:  # where connections are kept is out of reach
            self.log.warning("While waiting for WeChat: %s", type(error).__name__)
            return False

    def _worth_asking_for(self, hook: WeChatHook, period: Period) -> bool:
        try:
            hook.shared_client.fetch(get_report(self.report), period)
        except WaitForDataError:
            return False
        except WaitForQuotaError:
            raise
        except WeChatError as error:
            self.log.warning("While waiting for WeChat: %s", error)
            return not error.retryable
        return True


def next_moment(
    after: datetime, asked_at: datetime, poll_interval: timedelta, wait_until: datetime
) -> datetime:
    """Return when to ask next: a whole number of intervals after the task has asked.

    So neither a restarted triggerer nor two of them at once ask more often than every ``poll_interval``, nor
    do restarts put the asking off for ever.

    :return: a moment later than ``after``, at most ``wait_until``, when nothing is left to ask
    """
    to_go = poll_interval - (after - asked_at) % poll_interval
    return after + min(to_go, wait_until - after)


def _event(*, timed_out: bool) -> TriggerEvent:
    return TriggerEvent({"timed_out": timed_out})  # type: ignore[no-untyped-call]
