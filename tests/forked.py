"""Processes that run side by side, or die at the edge of one of their SQL statements."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence

import sqlalchemy as sa

_forking = multiprocessing.get_context("fork")


def side_by_side(tasks: Sequence[Callable[[], object]]) -> list[int | None]:
    """Begin all tasks at one moment, each in a process of its own; return their exit codes."""
    start = _forking.Barrier(len(tasks))

    def process(task: Callable[[], object]) -> None:
        start.wait(60)
        task()

    processes = [_forking.Process(target=process, args=(task,)) for task in tasks]
    for each in processes:
        each.start()
    for each in processes:
        each.join(120)
        each.kill()  # only one that still waits for another: its exit code tells
        each.join()
    return [each.exitcode for each in processes]


def die_at(edge: int | None) -> None:
    """Let this process kill itself at the ``edge``-th of: before and after a statement, and a commit."""
    edges = itertools.count(1)

    def count(*_: object) -> None:
        if next(edges) == edge:
            os.kill(os.getpid(), signal.SIGKILL)

    for event in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.engine.Engine, event, count)
    sa.event.listen(sa.pool.Pool, "checkin", count)
