"""What the parts of the reliability battery have tried, and how much of it held.

``make proof`` names a file in the environment variable ``PROOF_FIGURES``; each part appends lines to it,
from whatever process. Without the variable, the parts are tests like all others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

VARIABLE = "PROOF_FIGURES"

Test = TypeVar("Test", bound=Callable[..., Any])


class Figure:
    """Counts trials of one thing."""

    def __init__(self) -> None:
        self.tried = 0
        self.failures: list[str] = []
        self.cause: BaseException | None = None

    @contextmanager
    def trial(self, name: object) -> Iterator[None]:
        """Try it once; where it does not hold, the others are tried all the same."""
        self.tried += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever it is, it has not held
            self.failures.append(f"{name}: {type(error).__name__}: {error}")
            self.cause = self.cause or error


@contextmanager
def figure(part: str, what: str) -> Iterator[Figure]:
    """Count the trials of a block and write the figures down; fail where one has not held, or none was made.

    :param part: of the battery
    :param what: the promise, in a line; figures of the same promise are added up
    """
    counted = Figure()
    try:
        yield counted
    except BaseException:
        counted.tried += 1  # what breaks the block itself has not held either
        counted.failures.append("")
        raise
    finally:
        record(part, what, counted.tried, counted.tried - len(counted.failures))
    if not counted.tried:
        raise AssertionError(f"nothing was tried of: {what}")
    if counted.failures:
        shown = "\n".join(counted.failures[:10])
        raise AssertionError(
            f"{len(counted.failures)} of {counted.tried} have not held:\n{shown}"
        ) from counted.cause


@contextmanager
def trial(part: str, what: str) -> Iterator[None]:
    """Write down whether a block held, as a single trial of a promise."""
    held = 0
    try:
        yield
        held = 1
    finally:
        record(part, what, 1, held)


def quick_proof(part: str, what: str) -> Callable[[Test], Test]:
    """Make a test a quick part of the battery; each of its runs is a trial of a promise."""
    return lambda test: pytest.mark.quick_proof(trial(part, what)(test))


def record(part: str, what: str, tried: int, held: int) -> None:
    """Write figures down, where somebody wants them."""
    if file := os.environ.get(VARIABLE):
        line = json.dumps({"part": part, "what": what, "tried": tried, "held": held}, ensure_ascii=False)
        with Path(file).open("ab", buffering=0) as lines:  # one write, so that lines stay whole
            lines.write(f"{line}\n".encode())
