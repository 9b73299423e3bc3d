"""The coverage-guided part of the fuzzing, where atheris is installed: it has no wheel for some Pythons."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from proof import figures

SECONDS = 60
PROGRAM = Path(figures.__file__).with_name("fuzz_answers.py")


@pytest.mark.proof
@pytest.mark.skipif(not find_spec("atheris"), reason="atheris has no wheel for this Python")
def test_what_coverage_guided_fuzzing_finds_is_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    options = [
        f"-max_total_time={SECONDS}",
        "-max_len=4096",
        "-print_final_stats=1",
        f"-artifact_prefix={tmp_path}/",
    ]

    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path / "corpus", *options],
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
        check=False,
    )

    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    assert tried, done.stderr[-3000:]
    executions, failed = int(tried[1]), int(done.returncode != 0)
    what = "atheris, a minute on what reads answers: each input read, or refused with an error of ours"
    figures.record("fuzz", what, executions, executions - failed)
    assert not failed, done.stdout[-3000:] + done.stderr[-3000:]
    assert executions > 1_000
