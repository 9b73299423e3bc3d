"""What ``make audit`` says, with a pip-audit that says what a test has written down for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AUDIT = Path(__file__).parents[1] / "audit.py"
WEAK = {
    "name": "requests",
    "version": "2.5.0",
    "vulns": [{"id": "CVE-2015-2296", "fix_versions": ["2.6.0"]}],
}
SOUND = {"name": "pendulum", "version": "3.1.0", "vulns": []}
PASSED_OVER = {"name": "requests", "skip_reason": "Dependency not found on PyPI"}


def audited(folder: Path, known: dict[str, Any], *installed: dict[str, Any]) -> tuple[int, str]:
    """Run the audit; pip-audit answers the first about a requirement and the others about a folder."""
    answers = {"--requirement": [known], "--path": list(installed)}
    (folder / "pip_audit.py").write_text(
        f"import json, sys\nanswers = {answers!r}\n"
        "print(json.dumps({'dependencies': next(answers[name] for name in sys.argv if name in answers)}))\n"
    )
    done = subprocess.run(
        [sys.executable, AUDIT, folder],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_known_weakness_fails_and_names_the_version_that_mends_it(tmp_path: Path) -> None:
    status, said = audited(tmp_path, WEAK, SOUND, WEAK)

    assert status == 1
    assert "requests 2.5.0: CVE-2015-2296, mended in 2.6.0" in said
    assert "2 packages looked up, 1 have a known weakness" in said


def test_no_known_weakness_passes(tmp_path: Path) -> None:
    status, said = audited(tmp_path, WEAK, SOUND, PASSED_OVER)

    assert status == 0
    assert "1 packages looked up, 0 have a known weakness\nnot on PyPI: requests" in said


@pytest.mark.parametrize("known", [PASSED_OVER, WEAK | {"vulns": []}])
def test_a_list_that_cannot_be_reached_is_no_pass(tmp_path: Path, known: dict[str, Any]) -> None:
    status, said = audited(tmp_path, known, SOUND)

    assert status == 2
    assert "nothing was looked up" in said
