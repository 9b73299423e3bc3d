from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import airflow_wechat
from mutants import mutants

PACKAGE = Path(airflow_wechat.__file__).parent
HOLLOW = {"__init__"}


def test_every_module_of_client_and_storage_is_changed_by_make_mutants() -> None:
    found = {
        ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        for folder in ("client", "storage")
        for file in (PACKAGE / folder).rglob("*.py")
        if file.stem not in HOLLOW
    }

    assert set(mutants.MODULES) == found


@pytest.mark.parametrize("module", mutants.MODULES)
def test_the_tests_that_a_module_meets_are_there(module: str) -> None:
    for file in (*mutants._tests_of(module), *mutants.AGAIN.get(module, ())):
        assert (mutants.ROOT / file).is_file()


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("airflow_wechat.client.answers.x_decode__mutmut_12", "decode"),
        ("airflow_wechat.client.answers.x__parsed__mutmut_1", "_parsed"),
        ("airflow_wechat.storage.sql.xǁReportTableǁ__init____mutmut_3", "ReportTable.__init__"),
    ],
)
def test_a_survivor_is_named_by_its_function(name: str, function: str) -> None:
    assert mutants._function(name) == function


def test_a_survivor_is_shown_with_its_reason_or_without_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    explained = {"function": "f", "was": "a + b", "becomes": "b + a"}
    unknown = {"function": "g", "was": "a - b", "becomes": "b - a"}
    survivors = tmp_path / "survivors.toml"
    survivors.write_text(
        '[["client.answers"]]\nfunction = "f"\nwas = "a + b"\nbecomes = "b + a"\nwhy = "sums commute"\n'
    )
    monkeypatch.setattr(mutants, "EXPLAINED", survivors)
    modules = {
        "client.answers": {
            "mutants": 9,
            "killed": 7,
            "survivors": [explained, unknown],
            "measured_on": "2026-01-01",
        }
    }

    page = "\n".join(mutants.page(modules))

    assert "| `client.answers` | 9 | 7 | 2 | 2026-01-01 |" in page
    assert "In `f`: sums commute\n\n```diff\n- a + b\n+ b + a\n```" in page
    assert "In `g`: **not explained yet**" in page
    assert "Not measured yet: `client.periods`, " in page
    assert list(mutants._unexplained({"modules": modules})) == [unknown]


def test_every_reason_names_a_module_that_is_changed() -> None:
    assert set(tomllib.loads(mutants.EXPLAINED.read_text())) <= set(mutants.MODULES)
