"""The table of the matrix: it is fine only where everything that must run has run and passed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TABLE = Path(__file__).parents[1] / "matrix" / "table.py"


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ({"2.11-3.11": "success", "3.3-3.13": "success"}, 0),
        ({"2.11-3.11": "success", "3.3-3.13": "skipped"}, 0),  # no such Python on this machine
        ({"2.11-3.11": "skipped", "3.3-3.13": "success"}, 1),
        ({"2.11-3.11": "failed", "3.3-3.13": "success"}, 1),
        ({"2.11-3.11": "aborted", "3.3-3.13": "success"}, 1),
        ({}, 1),
    ],
)
def test_the_matrix_is_fine_where_all_that_must_run_has_passed(tmp_path, results, status):
    pytest.importorskip("rich")
    sessions = [
        {"args": dict(zip(("airflow", "minor"), name.split("-"), strict=True)), "result": told, "duration": 1}
        for name, told in results.items()
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"sessions": sessions}))

    done = subprocess.run([sys.executable, TABLE, report, tmp_path], capture_output=True, check=False)

    assert done.returncode == status, done.stderr.decode()
