"""Waiting in the triggerer until WeChat publishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_wechat.client.errors import WaitForDataError, WeChatError
from airflow_wechat.client.reports import get_report

if TYPE_CHECKING:
    from airflow_wechat.client.periods import Period
    from airflow_wechat.hooks.wechat import WeChatHook


class ReportPublishedTrigger(BaseTrigger):
    """Fires when WeChat has published one of the periods waited for, or when the wait ends.

    It only asks; the task fetches. WeChat is asked in a thread, so that the triggerer's loop goes on. A
    trouble that passes is waited out; one that does not fires, and the task meets it itself.

    :param report: the report's name
    :param wechat_conn_id: the connection to ask with
    :param pending: first days of the periods waited for, ISO
    :param poll_interval: seconds between two times of asking
    :param wait_until: when the wait ends, ISO with a time zone
    """

    def __init__(
        self, report: str, wechat_conn_id: str, pending: list[str], poll_interval: float, wait_until: str
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.report = report
        self.wechat_conn_id = wechat_conn_id
        self.pending = pending
        self.poll_interval = poll_interval
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
                "wait_until": self.wait_until,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask every ``poll_interval``, first after one has passed, until something is published."""
        from airflow_wechat.hooks.wechat import WeChatHook

        hook = WeChatHook(self.wechat_conn_id)
        # Airflow 3.0 answers a thread that asks for a connection only where asgiref started the thread.
        published = sync_to_async(self._any_worth_asking_for, thread_sensitive=False)
        wait_until = datetime.fromisoformat(self.wait_until)
        while (left := (wait_until - datetime.now(UTC)).total_seconds()) > 0:
            await asyncio.sleep(min(self.poll_interval, left))
            if await published(hook):
                yield _event(timed_out=False)
                return
        yield _event(timed_out=True)

    def _any_worth_asking_for(self, hook: WeChatHook) -> bool:
        granularity = get_report(self.report).granularity
        periods = [granularity.period_of(date.fromisoformat(start)) for start in self.pending]
        return any(self._worth_asking_for(hook, period) for period in periods)

    def _worth_asking_for(self, hook: WeChatHook, period: Period) -> bool:
        try:
            hook.fetch(self.report, period)
        except WaitForDataError:
            return False
        except WeChatError as error:
            self.log.warning("While waiting for WeChat: %s", error)
            return not error.retryable
        except ValueError as error:  # the connection was changed meanwhile, and not for the better
            self.log.warning("While waiting for WeChat: %s", error)
        return True


def _event(*, timed_out: bool) -> TriggerEvent:
    return TriggerEvent({"timed_out": timed_out})  # type: ignore[no-untyped-call]
