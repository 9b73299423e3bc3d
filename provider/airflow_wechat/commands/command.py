"""What a command is, so that Airflow's CLI and ours can offer the same."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

_STDOUT, _STDERR = 1, 2


@dataclass(frozen=True)
class Argument:
    """An argument of a command; ``options`` are those of :meth:`argparse.ArgumentParser.add_argument`."""

    name: str
    help: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A command.

    :param name: what to type
    :param help: one line
    :param arguments: in the order of its help
    :param run: does it and returns the exit status; what it prints goes to stdout
    """

    name: str
    help: str
    arguments: tuple[Argument, ...]
    run: Callable[[Namespace], int]


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Send to stderr what Airflow logs to stdout: loggers made before write past :data:`sys.stdout`."""
    out = sys.stdout
    out.flush()
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        out.flush()
        os.dup2(kept, _STDOUT)
        os.close(kept)
