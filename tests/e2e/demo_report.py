"""What the demo shows in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from e2e.landed import Landing

_BLOCKS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 6
_GREEN = "green3"


class ProgressLine:
    """How many of the runs have ended: a bar in a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, what: str, total: int) -> None:
        self._console = console
        self._total = total
        self._told = -1
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task(what, total=total)
        self._what = what

    def __enter__(self) -> ProgressLine:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, count: int) -> None:
        """Show that so many have ended."""
        self._bar.update(self._task, completed=count)
        step = 10 * count // self._total
        if not self._console.is_terminal and step > self._told:
            self._console.print(f"{self._what}: {count} of {self._total}")
            self._told = step


_FIGURES = ("Landed", "First day", "Last day", "Visits", "Newest visitors")


def landing_table(landings: Sequence[Landing]) -> Table:
    """Return the table of what landed for each report, narrow enough for 80 columns."""
    table = Table(
        title="What landed in the tables wechat_<report>",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column("Report", no_wrap=True)
    for name in _FIGURES:
        table.add_column(name, justify="right", no_wrap=name != _FIGURES[-1])
    for landing in landings:
        table.add_row(landing.report, *_figures(landing))
    return table


def _figures(landing: Landing) -> list[str]:
    rows = landing.landed
    landed = f"{len(rows)} of {len(landing.expected)}"
    if not rows:
        return [landed, *"----"]
    visits = sum(row["visit_pv"] for row in rows)
    days = (rows[0]["period_start"], rows[-1]["period_end"])
    return [landed, *days, f"{visits:,}", f"{rows[-1]['visit_uv']:,}"]


def chart(rows: Sequence[Mapping[str, Any]]) -> Text:
    """Return the days' visitors as columns, the tallest for the most."""
    visitors = [row["visit_uv"] for row in rows]
    if not visitors:
        return Text("No daily visitors to draw.")
    drawing = Text("Visitors a day\n", style="italic")
    for level in reversed(range(_HEIGHT)):
        label = {0: "0", _HEIGHT - 1: f"{max(visitors):,}"}.get(level, "")
        bars = " ".join(_block(count / max(*visitors, 1), level) for count in visitors)
        drawing.append(f"{label:>9} ", style="not italic").append(f"{bars}\n", style=f"not italic {_GREEN}")
    first, last = rows[0]["period_start"], rows[-1]["period_start"]
    drawing.append(f"{'':>9} {first}{last:>{max(2 * len(rows) - 1 - len(first), 11)}}", style="not italic")
    return drawing


def _block(share: float, level: int) -> str:
    """Return the part of a column, ``share`` of the whole height, that lies in one line."""
    eighths = round(share * _HEIGHT * 8) - level * 8
    return _BLOCKS[min(max(eighths, 0), 8)]


def changes_text(changes: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return in one line what the DAG that compares periods found."""
    found = (
        f"{name} {change:+.1f} %" for name, one in changes.items() if (change := one["visit_uv"]) is not None
    )
    return f"Visitors, each newest period against the one before: {', '.join(found)}"
