"""A sandbox that can be made to keep its callers waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_wechat.client.reports import REPORTS
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.calls import Call
from airflow_wechat.sandbox.replies import Reply

_PATIENCE = 120
_REPORT_PATHS = {report.path for report in REPORTS.values()}


class HoldingSandbox(Sandbox):
    """A sandbox that can hold its answers about reports back."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._free = threading.Event()
        self._free.set()
        self._held = threading.Semaphore(0)
        self._waiting: set[str] = set()

    @contextmanager
    def holding(self, count: int) -> Iterator[None]:
        """Hold back every answer until the block ends; the block begins when so many different calls wait.

        :raises TimeoutError: where fewer come
        """
        self._waiting.clear()
        self._free.clear()
        try:
            for _ in range(count):
                if not self._held.acquire(timeout=_PATIENCE):
                    raise TimeoutError(f"fewer than {count} calls came within {_PATIENCE} s each")
            yield
        finally:
            self._free.set()

    def reply(self, call: Call) -> Reply | None:
        """Return the reply to a call, as soon as none is held back."""
        if call.path in _REPORT_PATHS and not self._free.is_set():
            if (asked := f"{call.path} {call.body}") not in self._waiting:  # a client that asks again is one
                self._waiting.add(asked)
                self._held.release()
            self._free.wait()
        return super().reply(call)
