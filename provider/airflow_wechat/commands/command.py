"""What a command is, so that Airflow's CLI and ours can offer the same."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


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
