"""The figures of the reliability battery tell the truth."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proof.figures import VARIABLE, figure, record, trial
from proof.proof import added_up, good, page


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "figures.jsonl"))
    return tmp_path / "figures.jsonl"


def counts(file: Path) -> list[tuple[int, int]]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [(line["tried"], line["held"]) for line in lines]


def try_five() -> None:
    with figure("part", "what") as counted:
        for number in range(5):
            with counted.trial(number):
                assert number != 3
                if number == 1:
                    pytest.fail("not raised")


def test_all_is_tried_and_what_has_not_held_fails_the_test(file: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)2 of 5 have not held:.*1: .*not raised.*3: Assert"):
        try_five()

    assert counts(file) == [(5, 3)]


def test_a_block_that_breaks_has_not_held(file: Path) -> None:
    with pytest.raises(ValueError, match="broken"), figure("part", "what"):
        raise ValueError("broken")
    with pytest.raises(ValueError, match="broken"), trial("part", "what"):
        raise ValueError("broken")

    assert counts(file) == [(1, 0), (1, 0)]


def test_where_nothing_is_tried_nothing_has_held(file: Path) -> None:
    with pytest.raises(AssertionError, match="nothing was tried of: what"), figure("part", "what"):
        pass

    assert counts(file) == [(0, 0)]


def test_lines_of_many_at_once_stay_whole(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: record("part", "什么" * 500, n, n), range(200)))

    assert sorted(counts(file)) == [(n, n) for n in range(200)]


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)

    record("part", "what", 1, 1)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kills", "is_good"),
    [
        (
            {"SQLite: a": (60, 60), "SQLite: b": (40, 40), "MariaDB": (100, 100), "PostgreSQL": (100, 100)},
            True,
        ),
        (
            {"SQLite: a": (60, 60), "SQLite: b": (39, 39), "MariaDB": (150, 150), "PostgreSQL": (150, 150)},
            False,
        ),
        ({"SQLite": (200, 200), "PostgreSQL": (200, 200)}, False),
        ({"SQLite": (200, 199), "MariaDB": (200, 200), "PostgreSQL": (200, 200)}, False),
        ({"SQLite": (200, 200), "MariaDB": (200, 200), "PostgreSQL": (200, 200), "x": (0, 0)}, False),
        ({}, False),
    ],
    ids=["enough", "too few of one", "none of one", "one that has not held", "one never tried", "none"],
)
def test_a_battery_is_good_where_enough_was_tried_and_all_has_held(
    kills: dict[str, tuple[int, int]], is_good: bool
) -> None:
    figures = [
        {"part": "kill", "what": what, "tried": tried, "held": held} for what, (tried, held) in kills.items()
    ]
    assert good([{"part": "fuzz", "what": "read", "tried": 1, "held": 1}, *figures]) is is_good


def test_figures_of_a_promise_are_added_up_and_shown_by_part() -> None:
    lines = [
        {"part": part, "what": what, "tried": tried, "held": held}
        for part, what, tried, held in (
            ("a", "x", 1000, 1000),
            ("b", "y", 1, 1),
            ("a", "z", 2, 1),
            ("a", "x", 5, 5),
        )
    ]
    document = {"measured_on": "", "machine": "", "minutes": 1, "all_tests_passed": False}

    shown = page(document | {"figures": added_up(lines)})

    assert "**Not all tests passed.**" in shown[2]
    assert [line for line in shown if line.startswith(("## ", "| "))] == [
        "## A",
        "| promise | tried | held |",
        "| x | 1,005 | 1,005 |",
        "| z | 2 | **1** |",
        "## B",
        "| promise | tried | held |",
        "| y | 1 | 1 |",
    ]
