"""The figures of the reliability battery tell the truth."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from proof import proof
from proof.figures import VARIABLE, figure, record, trial
from proof.proof import LEAST, MOST_MINUTES, added_up, faults, page


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


def battery(**changes: Any) -> dict[str, Any]:
    """Return a battery with just enough of everything, in time."""
    figures = [
        {"part": part, "what": f"{begin} and so on", "tried": least, "held": least}
        for (part, begin), least in LEAST.items()
    ]
    whole = {"measured_on": "", "machine": "", "minutes": MOST_MINUTES, "all_tests_passed": True}
    return whole | {"figures": figures} | changes


def test_nothing_speaks_against_a_battery_in_which_enough_was_tried_and_all_has_held() -> None:
    assert faults(battery()) == []
    assert page(battery())[2].endswith("minutes. All tests passed.")


@pytest.mark.parametrize(("part", "begin"), LEAST)
def test_a_part_that_was_not_tried_speaks_against_it(part: str, begin: str) -> None:
    document = battery()
    document["figures"] = [
        one for one in document["figures"] if one["part"] != part or not one["what"].startswith(begin)
    ]

    assert any(
        fault.startswith(f"Too few trials of {part}: {begin or 'all'}: 0,") for fault in faults(document)
    )


def test_trials_of_a_part_are_added_up_and_one_too_few_is_found() -> None:
    document = battery()
    [kills] = [one for one in document["figures"] if (one["part"], one["what"][:3]) == ("kill", "SQL")]
    kills |= {"tried": 60, "held": 60}

    assert faults(document) == ["Too few trials of kill: SQLite: 60, not 100."]
    for more, expected in ((39, ["Too few trials of kill: SQLite: 99, not 100."]), (40, [])):
        others = {"part": "kill", "what": "SQLite: otherwise", "tried": more, "held": more}
        assert faults(document | {"figures": [*document["figures"], others]}) == expected


@pytest.mark.parametrize(("tried", "held"), [(200, 199), (0, 0)], ids=["once not held", "never tried"])
def test_what_has_not_held_speaks_against_it(tried: int, held: int) -> None:
    one = {"part": "kill", "what": "another", "tried": tried, "held": held}

    assert faults(battery(figures=[*battery()["figures"], one])) == ["Not everything has held."]


def test_what_speaks_against_it_stands_on_the_page() -> None:
    document = battery(all_tests_passed=False)

    assert faults(document) == ["Not all tests passed."]
    assert page(document)[2].endswith("minutes. **Not all tests passed.**")


def test_a_battery_that_takes_long_says_so_and_is_good_all_the_same() -> None:
    document = battery(minutes=MOST_MINUTES + 0.1)

    assert faults(document) == []
    assert page(document)[2].endswith("minutes. All tests passed. **It took longer than 20 minutes.**")


@pytest.mark.parametrize(("passed", "status"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_anything_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: bool, status: int
) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(proof, "ROOT", tmp_path)
    monkeypatch.setattr(proof, "RUNS", ())
    monkeypatch.setattr(proof, "_document", lambda *_, **__: battery(all_tests_passed=passed))

    assert proof.main() == status
    assert json.loads((tmp_path / "docs/reliability.json").read_text()) == battery(all_tests_passed=passed)
    assert (tmp_path / "docs/reliability.md").read_text().startswith("# Reliability\n")


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

    shown = page(battery(figures=added_up(lines)))

    assert [line for line in shown if line.startswith(("## ", "| "))] == [
        "## A",
        "| promise | tried | held |",
        "| x | 1,005 | 1,005 |",
        "| z | 2 | **1** |",
        "## B",
        "| promise | tried | held |",
        "| y | 1 | 1 |",
    ]
