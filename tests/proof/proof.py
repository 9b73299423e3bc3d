"""The reliability battery: every test marked ``proof`` or ``quick_proof``, with and without Airflow.

``make proof`` runs it. Writes docs/reliability.json and docs/reliability.md; exits with 1 where something has
not held.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proof.figures import VARIABLE

ROOT = Path(__file__).parents[2]
RUNS: tuple[tuple[str, tuple[str, ...], dict[str, str]], ...] = (
    (".venv-client", ("tests/client", "tests/cloud_function", "tests/storage"), {"PYTHONPATH": "provider"}),
    (".venv", ("tests/airflow", "tests/proof", "tests/e2e"), {"PYTHONPATH": ""}),
)
"""The environment that tests run in, where they are, and what else they need."""

LEAST = {("kill", database): 100 for database in ("SQLite", "PostgreSQL", "MariaDB")}
"""How often the promises of a part that begin so must have been tried."""

Line = dict[str, Any]


def main() -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wechat-proof-") as folder:
        file = Path(folder, "figures.jsonl")
        file.touch()
        passed = [_run(*run, file) for run in RUNS]
        figures = added_up([json.loads(line) for line in file.read_text().splitlines()])
    _write(figures, minutes=(time.monotonic() - began) / 60, passed=all(passed))
    return 0 if good(figures) and all(passed) else 1


def _run(environment: str, folders: tuple[str, ...], variables: dict[str, str], figures: Path) -> bool:
    command = [f"{environment}/bin/python", "-m", "pytest", "-m", "proof or quick_proof", *folders]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables | {VARIABLE: str(figures)}, check=False
    )
    return done.returncode == 0


def good(figures: list[Line]) -> bool:
    """Tell whether all has held that was tried, and was tried as often as it must be."""
    held = all(figure["held"] == figure["tried"] > 0 for figure in figures)
    return held and all(_tried(figures, *of) >= least for of, least in LEAST.items())


def _tried(figures: list[Line], part: str, begin: str) -> int:
    return sum(one["tried"] for one in figures if one["part"] == part and one["what"].startswith(begin))


def added_up(lines: list[Line]) -> list[Line]:
    """Add up the figures of the same promise; parts and promises stay in the order they came in."""
    sums: dict[tuple[str, str], Line] = {}
    for line in lines:
        key = line["part"], line["what"]
        known = sums.setdefault(key, {"part": line["part"], "what": line["what"], "tried": 0, "held": 0})
        known["tried"] += line["tried"]
        known["held"] += line["held"]
    parts = list(dict.fromkeys(part for part, _ in sums))
    return sorted(sums.values(), key=lambda figure: parts.index(figure["part"]))


def _write(figures: list[Line], *, minutes: float, passed: bool) -> None:
    document = {
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}",
        "minutes": round(minutes, 1),
        "all_tests_passed": passed,
        "figures": figures,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (ROOT / "docs/reliability.json").write_text(f"{text}\n")
    (ROOT / "docs/reliability.md").write_text("\n".join(page(document)) + "\n")


def page(document: Line) -> list[str]:
    """Return the lines of the page: a table for each part."""
    figures = document["figures"]
    lines = [
        "# Reliability",
        "",
        f"Written by `make proof` on {document['measured_on']} ({document['machine']}), in "
        f"{document['minutes']:g} minutes. "
        + ("All tests passed." if document["all_tests_passed"] else "**Not all tests passed.**"),
    ]
    for part in dict.fromkeys(figure["part"] for figure in figures):
        lines += ["", f"## {part[:1].upper()}{part[1:]}", "", "| promise | tried | held |", "|---|---:|---:|"]
        lines += [_row(figure) for figure in figures if figure["part"] == part]
    return lines


def _row(figure: Line) -> str:
    held = f"{figure['held']:,}" if figure["held"] == figure["tried"] > 0 else f"**{figure['held']:,}**"
    return f"| {figure['what'].replace('|', '/')} | {figure['tried']:,} | {held} |"


if __name__ == "__main__":
    sys.exit(main())
