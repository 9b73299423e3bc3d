"""Print what nox ran and what came of it: ``table.py REPORT RESULTS``; exits with 1 where a test failed."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

MAY_BE_MISSING = ("3.12", "3.13")
COUNTS = ("passed", "failed", "skipped")


@dataclass(frozen=True)
class Outcome:
    """What came of one Airflow on one Python."""

    name: str
    airflow: str
    python: str
    state: str
    seconds: float
    versions: dict[str, str]
    cases: list[ElementTree.Element]

    @classmethod
    def read(cls, session: dict[str, Any], results: Path) -> Outcome:
        """Read a session of nox's report, with what its tests left in the folder of results."""
        airflow, python = session["args"]["airflow"], session["args"]["minor"]
        name = f"{airflow}-py{python}"
        ran = session["result"] != "skipped"
        installed, tests = (results / f"{name}.{kind}" for kind in ("json", "xml"))
        return cls(
            name=name,
            airflow=airflow,
            python=python,
            state=session["result"] if ran else "missing",
            seconds=session["duration"],
            versions=json.loads(installed.read_text()) if ran and installed.exists() else {},
            cases=list(ElementTree.parse(tests).iter("testcase")) if ran and tests.exists() else [],
        )

    @property
    def is_fine(self) -> bool:
        """Whether it ran and passed; a Python that only the newest Airflow is tried with may be missing."""
        return self.state == "success" or (self.state == "missing" and self.python in MAY_BE_MISSING)

    @property
    def counts(self) -> Counter[str]:
        """How many tests passed, failed and were skipped."""
        return Counter(map(_state_of, self.cases))

    @property
    def skips(self) -> dict[str, int]:
        """Why tests were skipped, and how many for each reason."""
        return Counter(skip.get("message", "") for case in self.cases for skip in case.iter("skipped"))

    @property
    def row(self) -> tuple[str, ...]:
        """What the table says of it."""
        known = self.versions
        names = [known.get("apache-airflow", f"{self.airflow}.*"), known.get("Python", self.python)]
        if self.state == "missing":
            return (*names, "", *("" for _ in COUNTS), "", f"Python {self.python} is missing: not run")
        others = ", ".join(f"{name} {known[name]}" for name in list(known)[2:])
        counts = [str(self.counts[count]) for count in COUNTS]
        return (*names, others, *counts, f"{self.seconds:.0f}", "ok" if self.state == "success" else "FAILED")


def _state_of(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def print_table(outcomes: list[Outcome]) -> None:
    """Print a line for each Airflow and Python, then the reasons for what was skipped."""
    console = Console(width=None if sys.stdout.isatty() else 132, highlight=False)
    table = Table("Airflow", "Python", "with", box=SIMPLE_HEAD)
    for heading in (*COUNTS, "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for outcome in outcomes:
        table.add_row(*outcome.row)
    console.print(table)
    for reason in sorted({reason for outcome in outcomes for reason in outcome.skips}):
        where = [f"{outcome.name} ({outcome.skips[reason]})" for outcome in outcomes if outcome.skips[reason]]
        console.print(f"skipped: {reason}: {', '.join(where)}", markup=False)


def main(report: Path, results: Path) -> int:
    """Return the exit status."""
    sessions = json.loads(report.read_text())["sessions"]
    outcomes = [Outcome.read(session, results) for session in sessions]
    print_table(outcomes)
    return int(not outcomes or not all(outcome.is_fine for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
