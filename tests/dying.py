"""A process that dies at the edge of one of its SQL statements."""

from __future__ import annotations

import itertools
import os
import signal

import sqlalchemy as sa


def die_at(edge: int | None) -> None:
    """Let this process kill itself at the ``edge``-th of: before and after a statement, and a commit."""
    edges = itertools.count(1)

    def count(*_: object) -> None:
        if next(edges) == edge:
            os.kill(os.getpid(), signal.SIGKILL)

    for event in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.engine.Engine, event, count)
    sa.event.listen(sa.pool.Pool, "checkin", count)
