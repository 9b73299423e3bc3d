"""What Airflow 3's own loggers say, which never passes through Python's ``logging``."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from canaries import Everything


@contextmanager
def structured_logged(log: Everything) -> Iterator[None]:
    """Keep what structlog's loggers are told as well, at DEBUG, before Airflow masks or drops any of it.

    A logger that has spoken before keeps the level it had then; those of new tasks and hooks do not. Without
    structlog, as with Airflow 2, all loggers are Python's own.
    """
    if not find_spec("structlog"):
        yield
        return
    import structlog

    def keep(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        log.lines.append(f"{method} {event!r} {event.get('event')}")
        return event

    settings = structlog.get_config()
    processors = settings["processors"]  # changed in place: a logger that has spoken has this very list
    processors.insert(0, keep)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    try:
        yield
    finally:
        processors.remove(keep)
        structlog.configure(wrapper_class=settings["wrapper_class"])
