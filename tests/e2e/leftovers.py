"""The proof that nothing is left running."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


def left_over(folder: Path) -> list[str]:
    """Return the running processes that name a folder in command or environment, or work in it.

    Airflow writes its processes' titles over command and environment; where they work still tells.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in _traces(process):
                found.append(f"{process.pid} {process.cmdline()}")
    return found


def _traces(process: psutil.Process) -> str:
    return " ".join([process.cwd(), *process.cmdline(), *process.environ().values()])
