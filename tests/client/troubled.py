"""A sandbox that a test can get in between of, and who asks it: in between any two calls, or all at once."""

from __future__ import annotations

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tenacity import wait_none

from airflow_wechat.client.assembly import client_from
from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.periods import Period
from airflow_wechat.client.reports import Row
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.calls import Call, object_in
from airflow_wechat.sandbox.journal import Request, Scripted, reply_of
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.sandbox.replies import Reply
from airflow_wechat.sandbox.token_server import APP_TOKEN_PATH, COMPONENT_TOKEN_PATH
from client.sandboxed import AUTHORIZER, CLASSIC, DAILY, STABLE, settings_of
from client.scripted import PATIENCE

TOKEN_PATHS = {STABLE, CLASSIC, AUTHORIZER, APP_TOKEN_PATH, COMPONENT_TOKEN_PATH}

Answers = Callable[[Call], Scripted | None]
Result = TypeVar("Result")


class TroubledSandbox(Sandbox):
    """A sandbox that says for a while what a test wants it to, and lets others act after any call."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.instead: Answers = lambda _: None
        """What comes instead of WeChat's answer; ``None`` where that comes."""
        self.after: Callable[[int], None] = lambda _: None
        """What happens after each call, by how many there were, before its answer is on its way."""
        self.most_at_once: Counter[str] = Counter()
        """How many calls for a token were under way at once, by the process that made them."""
        self._under_way: Counter[str] = Counter()
        self._turn = threading.Lock()
        self._count = 0

    def reply(self, call: Call) -> Reply | None:
        asker = call.headers.get("User-Agent", "") if call.path in TOKEN_PATHS else None
        self._note(asker, 1)
        try:
            return self._reply(call)
        finally:
            self._note(asker, -1)

    def _reply(self, call: Call) -> Reply | None:
        scripted = self.instead(call)
        if scripted is None:
            reply = super().reply(call)
        else:
            reply = reply_of(scripted)
            self._journal.add(
                Request(call.path, dict(call.query), object_in(call.body), reply and reply.answered)
            )
        with self._turn:
            self._count += 1
            self.after(self._count)
        return reply

    def _note(self, asker: str | None, change: int) -> None:
        if asker is not None:
            with self._turn:
                self._under_way[asker] += change
                self.most_at_once[asker] = max(self.most_at_once[asker], self._under_way[asker])

    def after_call(self, number: int, act: Callable[[], None]) -> None:
        """Let others act once, after one of the calls to come, counted from 1."""
        moment = self._count + number
        self.after = lambda count: act() if count == moment else None

    def asked(self, *paths: str) -> int:
        """Return how often paths were asked for."""
        return sum(request.path in paths for request in self.requests)

    def forced_at(self) -> list[float]:
        """Return when the stable token was asked for with ``force_refresh``."""
        return [request.at for request in self.requests if (request.body or {}).get("force_refresh")]

    def said(self, period: Period) -> dict[str, Any]:
        """Return what a row holds of WeChat's answer for a day."""
        return dict(entry_of(self.app.app_id, period, DAILY.fields) or {})

    def check_rows(self, rows: Iterable[Row], periods: Iterable[Period]) -> None:
        """See that rows are what WeChat says about periods, in their order, and nothing else."""
        expected = [self.said(period) for period in periods]
        assert [
            {name: row[name] for name in said} for row, said in zip(rows, expected, strict=True)
        ] == expected


def client_of_process(sandbox: Sandbox, road: str, number: int) -> WeChatClient:
    """Make a client whose calls tell which process they come from."""
    settings = settings_of(sandbox.connection_of(sandbox.app, road))
    client = client_from(settings, waits=wait_none())
    for part in (client, client._tokens, getattr(client._tokens, "_component_tokens", None)):
        if transport := getattr(part, "_transport", None):
            transport._session.headers["User-Agent"] = f"process {number}"
    return client


class Storm:
    """Processes with many threads each, in all of which a client asks for reports at the same moment.

    :param clients: makes a process's client, of its number
    """

    def __init__(self, clients: Callable[[int], WeChatClient], *, processes: int, threads: int) -> None:
        self._clients = clients
        self._threads = threads
        self._forking = multiprocessing.get_context("fork")
        self._start = self._forking.Barrier(processes)
        self._processes = processes
        self._results = self._forking.Queue()

    def rage(self, periods: list[Period]) -> list[list[Row] | str]:
        """Let each thread ask for each period; return what each has got: rows, or what went wrong."""
        running = [
            self._forking.Process(target=self._process, args=(n, periods)) for n in range(self._processes)
        ]
        for process in running:
            process.start()
        results = [result for _ in running for result in self._results.get(timeout=300)]
        for process in running:
            process.join(PATIENCE)
        return results

    def _process(self, number: int, periods: list[Period]) -> None:
        client = self._clients(number)

        def ask() -> list[Row] | str:
            try:
                return [row for period in periods for row in client.fetch(DAILY, period)]
            except Exception as error:  # noqa: BLE001 - whatever it is, it has not held
                return f"{type(error).__name__}: {error}"

        self._start.wait(60)
        self._results.put(at_once(self._threads, ask))


def at_once(threads: int, ask: Callable[[], Result]) -> list[Result]:
    """Let so many threads ask at the same moment; return what each has got."""
    ready = threading.Barrier(threads)

    def thread(_: int) -> Result:
        ready.wait(60)
        return ask()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(thread, range(threads)))
