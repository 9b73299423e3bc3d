from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import airflow_wechat
from mutants import mutants
from mutants.sources import fingerprint

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
            "source": fingerprint(mutants._source("client.answers")),
        }
    }

    page = "\n".join(mutants.page(modules))

    assert "| `client.answers` | 9 | 7 | 2 | 2026-01-01 |" in page
    assert "In `f`: sums commute\n\n```diff\n- a + b\n+ b + a\n```" in page
    assert "In `g`: **not explained yet**" in page
    assert "Not measured yet: `client.periods`, " in page
    assert list(mutants._unexplained({"modules": modules})) == [unknown]


@pytest.mark.parametrize("known", [{}, {"source": "0123456789ab"}], ids=["none", "another"])
def test_a_module_is_shown_as_changed_where_its_source_is_not_as_measured(known: dict[str, str]) -> None:
    figures = {"mutants": 9, "killed": 9, "survivors": [], "measured_on": "2026-01-01"}

    page = "\n".join(mutants.page({"client.answers": figures | known}))

    assert "| `client.answers` | 9 | 9 | 0 | 2026-01-01, changed since |" in page


def test_what_was_measured_and_has_not_changed_is_not_measured_again() -> None:
    as_measured = {"source": fingerprint(mutants._source("client.answers"))}
    modules = {"client.answers": as_measured, "client.periods": {"source": "0123456789ab"}}

    again = mutants.out_of_date(modules)

    assert "client.answers" not in again
    assert {"client.periods", "client.errors"} <= set(again)


def test_the_page_names_each_function_that_cannot_be_changed() -> None:
    assert "`client.tokens`: `HeldToken._issue` (abstractmethod)" in "\n".join(mutants.page({}))


def test_every_reason_names_a_module_that_is_changed() -> None:
    assert set(tomllib.loads(mutants.EXPLAINED.read_text())) <= set(mutants.MODULES)
