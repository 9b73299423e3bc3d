from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.leftovers import left_over
from e2e.processes import wait_until

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    """Start the demo as ``make demo`` does, in a folder of its own; its output goes to a file."""
    env = os.environ | {"PYTHONPATH": f"{PROJECT}/tests:{PROJECT}/dags"}
    command = [sys.executable, "-u", "-m", "e2e.demo", "--home", str(tmp_path / "demo")]
    started = []
    # What a shell starts in the background ignores it, and so would the demo.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def run():
        with (tmp_path / "output").open("w") as output:
            started.append(
                subprocess.Popen(
                    command, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
                )
            )
        return started[0]

    yield run
    for process in started:
        process.terminate()
        process.wait()
    signal.signal(signal.SIGINT, before)


def test_the_demo_lands_every_period_and_leaves_no_process(start, tmp_path):
    process = start()
    wait_until(lambda: "Runs ended" in (tmp_path / "output").read_text(), "runs", timeout=120)
    assert len(left_over(tmp_path / "demo")) > 6  # the demo, Airflow's components, PostgreSQL and the sandbox

    status = process.wait(timeout=300)

    output = (tmp_path / "output").read_text()
    assert status == 0, output
    assert "No period is missing: 44 of 44 landed, and every number is the sandbox's." in output
    for line in ("daily_visit_trend    30 of 30", "weekly_visit_trend     8 of 8", "Visitors a day"):
        assert line in output
    assert left_over(tmp_path / "demo") == []


@pytest.mark.parametrize(
    ("moment", "number", "status"),
    [
        ("Starting", signal.SIGINT, 130),
        ("Runs ended", signal.SIGINT, 130),
        ("Runs ended", signal.SIGTERM, 143),
    ],
)
def test_a_demo_that_is_interrupted_leaves_no_process(start, tmp_path, moment, number, status):
    process = start()
    wait_until(lambda: moment in (tmp_path / "output").read_text(), moment, timeout=120)

    os.killpg(process.pid, number)  # as a terminal's Ctrl-C does

    assert process.wait(timeout=60) == status, (tmp_path / "output").read_text()
    assert left_over(tmp_path / "demo") == []
