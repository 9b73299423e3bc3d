"""The reliability battery: every test marked ``proof`` or ``quick_proof``, with and without Airflow.

``make proof`` runs it. Writes docs/reliability.json and docs/reliability.md; exits with 1 where something has
not held, or was not tried often enough.
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

_DATABASES = ("SQLite", "PostgreSQL", "MariaDB")
LEAST = {
    ("fuzz", "any "): 24_000,
    ("fuzz", "whatever "): 12_000,
    ("fuzz", "a row that is given "): 3_000,
    ("fuzz", "atheris"): 10_000,
    ("bad line", ""): 11_000,
    ("secrets", ""): 3_300,
    ("secrets", "each file and each table of a real Airflow"): 60,
    ("WeChat's own troubles", ""): 7_000,
    ("trust boundary", ""): 100,
    **{("kill", database): 100 for database in _DATABASES},
    **{("side by side", database): 140 for database in _DATABASES},
}
"""How often the promises of a part that begin so must have been tried."""

MOST_MINUTES = 20

Line = dict[str, Any]


def main() -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wechat-proof-") as folder:
        file = Path(folder, "figures.jsonl")
        file.touch()
        passed = [_run(*run, file) for run in RUNS]
        figures = added_up([json.loads(line) for line in file.read_text().splitlines()])
    document = _document(figures, minutes=(time.monotonic() - began) / 60, passed=all(passed))
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (ROOT / "docs/reliability.json").write_text(f"{text}\n")
    (ROOT / "docs/reliability.md").write_text("\n".join(page(document)) + "\n")
    return 1 if faults(document) else 0


def _run(environment: str, folders: tuple[str, ...], variables: dict[str, str], figures: Path) -> bool:
    command = [f"{environment}/bin/python", "-m", "pytest", "-m", "proof or quick_proof", *folders]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables | {VARIABLE: str(figures)}, check=False
    )
    return done.returncode == 0


def faults(document: Line) -> list[str]:
    """Say what speaks against a battery: none where all has held, and was tried often enough."""
    figures = document["figures"]
    found = {
        "Not all tests passed.": not document["all_tests_passed"],
        "Not everything has held.": not all(map(_has_held, figures)),
    }
    for (part, begin), least in LEAST.items():
        tried = _tried(figures, part, begin)
        found[f"Too few trials of {part}: {begin or 'all'}: {tried:,}, not {least:,}."] = tried < least
    return [fault for fault, is_so in found.items() if is_so]


def _has_held(figure: Line) -> bool:
    return bool(figure["held"] == figure["tried"] > 0)


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


def _document(figures: list[Line], *, minutes: float, passed: bool) -> Line:
    return {
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}",
        "minutes": round(minutes, 1),
        "all_tests_passed": passed,
        "figures": figures,
    }


def page(document: Line) -> list[str]:
    """Return the lines of the page: what speaks against the battery, and a table for each part."""
    figures = document["figures"]
    said = [f"**{fault}**" for fault in faults(document)] or ["All tests passed."]
    if document["minutes"] > MOST_MINUTES:  # no fault of the battery's: the machine may be busy
        said.append(f"**It took longer than {MOST_MINUTES} minutes.**")
    lines = [
        "# Reliability",
        "",
        f"Written by `make proof` on {document['measured_on']} ({document['machine']}), in "
        f"{document['minutes']:g} minutes. {' '.join(said)}",
    ]
    for part in dict.fromkeys(figure["part"] for figure in figures):
        lines += ["", f"## {part[:1].upper()}{part[1:]}", "", "| promise | tried | held |", "|---|---:|---:|"]
        lines += [_row(figure) for figure in figures if figure["part"] == part]
    return lines


def _row(figure: Line) -> str:
    held = f"{figure['held']:,}" if _has_held(figure) else f"**{figure['held']:,}**"
    return f"| {figure['what'].replace('|', '/')} | {figure['tried']:,} | {held} |"


if __name__ == "__main__":
    sys.exit(main())
