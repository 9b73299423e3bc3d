"""Processes of our own: started with a log file, watched, and stopped with all they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

_ENDING = (signal.SIGINT, signal.SIGTERM)
_POLL = 0.5


class ComponentDiedError(RuntimeError):
    """A process that was to stay has ended."""


class Component:
    """A process with a session of its own, so that the terminal's Ctrl-C reaches only whoever started it.

    :param log: where its output goes
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=env,
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check_alive(self) -> None:
        """Make sure that it runs.

        :raises ComponentDiedError: where it does not, with the end of its log
        """
        if (status := self.process.poll()) is not None:
            raise ComponentDiedError(f"{self.name} ended with status {status}; its log:\n{tail(self.log)}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it started and did not set apart."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def tail(log: Path, lines: int = 30) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def stop_all(components: Sequence[Component], patience: float = 8) -> None:
    """Stop all at once: politely, and after ``patience`` seconds for good."""
    for component in components:
        component.signal(signal.SIGTERM)
    ended = lambda: all(component.process.poll() is not None for component in components)  # noqa: E731
    if not _within(patience, ended):
        for component in components:
            component.signal(signal.SIGKILL)
    for component in components:
        component.process.wait()
    kill_left_over(components)


def kill_left_over(components: Sequence[Component]) -> None:
    """End for good what the components started and did not end.

    Airflow sets a task's process apart from the group it came from; its session still tells.
    """
    sessions = {component.process.pid for component in components}
    left = [process for process in psutil.process_iter() if _session_of(process.pid) in sessions]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None  # gone by now, or somebody else's


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on now, each different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def wait_until(
    happened: Callable[[], Any], what: str, *, timeout: float, watched: Sequence[Component] = ()
) -> Any:
    """Ask again and again until the answer is true, and return it.

    :param watched: what has to run meanwhile
    :raises ComponentDiedError: where one of them ends
    :raises TimeoutError: where it takes longer than ``timeout`` seconds
    """
    deadline = time.monotonic() + timeout
    while not (answer := happened()):
        for component in watched:
            component.check_alive()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(_POLL)
    return answer


def _within(seconds: float, happened: Callable[[], bool]) -> bool:
    try:
        wait_until(happened, "end", timeout=seconds)
    except TimeoutError:
        return False
    return True


@contextmanager
def signals_held() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until what is being started here can be stopped again."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Let nothing disturb the stopping: who is impatient and presses Ctrl-C twice would leave processes."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_on_sigterm() -> None:
    """Make SIGTERM unwind the stack as Ctrl-C does."""

    def end(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
