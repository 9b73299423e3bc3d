"""Mutation testing of the client and the storage: changes that no test notices.

``make mutants`` runs it for the modules whose source is not as it was measured, ``make mutants
ONLY=client.answers`` for one in any case, ``ONLY=page`` for none: the page is written anew. Each module is
changed in one small way after the other and meets the tests that know it best. Writes docs/mutants.json and
docs/mutants.md, and prints what is out of date; exits with 1 where a change survives that ``survivors.toml``
does not explain.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

from mutants.sources import fingerprint, left_alone, undecorated

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".mutants"
JSON = ROOT / "docs/mutants.json"
EXPLAINED = Path(__file__).with_name("survivors.toml")

PAGE = "page"
"""What ONLY names to write the page anew and measure nothing."""

MODULES: dict[str, str] = {
    "client.answers": "client/test_answers.py client/test_client.py client/test_routes.py",
    "client.periods": "client/test_periods.py",
    "client.errors": "client/test_errors.py client/test_answers.py",
    "client.tokens": "client/test_tokens.py client/test_supplied_token.py",
    "client.reports": "client/test_reports.py",
    "client.options": "client/test_options.py",
    "client.base_url": "client/test_transport.py client/test_assembly.py",
    "client.client": "client/test_client.py",
    "client.secret": "client/test_secret.py client/test_tokens.py",
    "client.assembly": "client/test_assembly.py client/test_authorizer_token.py",
    "client.routes": "client/test_routes.py client/test_client.py",
    "client.token_sources.stable": "client/test_tokens.py",
    "client.token_sources.forced": "client/test_forced.py client/test_tokens.py",
    "client.token_sources.own_files": "client/test_classic_token.py client/test_tokens.py",
    "client.token_sources.supplied": "client/test_supplied_token.py client/test_tokens.py",
    "client.token_sources.authorizer": "client/test_authorizer_token.py",
    "client.token_sources.classic": "client/test_classic_token.py",
    "client.token_sources.cloud_run": "client/test_cloud_run_token.py",
    "client.transport": "client/test_transport.py client/test_sealing.py",
    "client.bounded": "client/test_bounded.py client/test_bad_line.py client/test_transport.py",
    "client.sealing": "client/test_sealing.py",
    "client.sealing_keys": "client/test_sealing.py",
    "client.signing": "client/test_sealing.py",
    "storage.values": "storage/test_formats.py storage/test_sql.py",
    "storage.formats": "storage/test_formats.py",
    "storage.files": "storage/test_files.py",
    "storage.sql": "storage/test_sql.py",
}
"""The modules, those that matter most first, and the tests that each change meets."""

OPTIONS = {
    "client.base_url": ["-k", "allowed or plain_http or names_no or unreadable or fragment or loopback"],
    "storage.sql": ["-k", "sqlite or TestConflict or mysqls_own or what_is_allowed"],
    "storage.values": ["-k", "sqlite or formats"],
    "client.token_sources.own_files": ["-k", "not process and not forked"],
    "client.token_sources.classic": ["-k", "not process and not forked"],
}
"""What pytest is told of a module's tests: leave out what is slow and shows nothing more of it.

Of the token's files also what has processes of its own: mutmut would wait for those."""

AGAIN = {
    "client.tokens": ["tests/client/test_classic_token.py", "tests/client/test_cloud_run_token.py"],
    "client.assembly": ["tests/client/test_sandbox_sealed.py"],
    "client.transport": [
        "tests/client/test_sandbox_sealed.py",
        "tests/client/test_bad_line.py",
        "tests/client/test_supplied_token.py",
    ],
    "storage.sql": ["tests/storage/test_mariadb.py"],
}
"""What else a change must survive."""

SIDE_BY_SIDE = {"client.bounded": 4}
"""How many changes of a module are tried at once, where its tests wait more than they work."""

_PATIENCE = 240  # seconds for the tests of a change that has survived once
_TRIES = 2  # a change counts as noticed where its tests fail as often: once may be the machine's doing

_BY_NAME = "*"
"""All changes. Told so, mutmut tries the tests by their names before it does so with any change: a name that
pytest does not find again, as one with a backslash, would count as a test that has noticed the change."""

Mutant = dict[str, str]


def main(only: list[str]) -> int:
    if unknown := [name for name in only if name not in {*MODULES, PAGE}]:
        sys.exit(f"{', '.join(unknown)} is no module: ONLY may name {PAGE}, {', '.join(MODULES)}")
    document = json.loads(JSON.read_text()) if JSON.exists() else {"modules": {}}
    for module in only or out_of_date(document["modules"]):
        if module != PAGE:
            document["modules"][module] = mutated(module)
        write(document)
    unexplained = list(_unexplained(document))
    print(f"{len(unexplained)} survivors that survivors.toml does not explain")
    print(f"To be measured again: {', '.join(out_of_date(document['modules'])) or 'none'}")
    return 1 if unexplained else 0


def out_of_date(modules: dict[str, Any]) -> list[str]:
    """Return the modules that have changed since they were measured, and those that never were."""
    return [
        module for module in MODULES if modules.get(module, {}).get("source") != fingerprint(_source(module))
    ]


def mutated(module: str) -> dict[str, Any]:
    """Try every change of a module; return how many there were, and those that survived."""
    folder, source = WORK / module, _source(module)
    _lay_out(folder, module, source)
    children = SIDE_BY_SIDE.get(module, 1)
    subprocess.run(_mutmut("run", "--max-children", str(children), _BY_NAME), cwd=folder, check=True)
    told = subprocess.run(
        _mutmut("results", "--all", "true"), cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    fates = dict(line.strip().rsplit(": ", 1) for line in told.splitlines() if "__mutmut_" in line)
    left = [
        name for name, fate in fates.items() if fate != "killed"
    ]  # what ran out of mutmut's time has ours
    with ThreadPoolExecutor(max(children, os.cpu_count() or 1)) as pool:
        survive = list(pool.map(partial(_survives, folder, module), left))
    left = list(compress(left, survive))
    return {
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
        "source": fingerprint(source),
        "mutants": len(fates),
        "killed": len(fates) - len(left),
        "survivors": [_mutant(folder, name) for name in left],
    }


def _survives(folder: Path, module: str, name: str) -> bool:
    """Tell whether a change survives in a process of its own, where it counts for imports as well."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", *_tests_of(module), *AGAIN.get(module, ())]
    return any(_passes(command, folder / "mutants", name) for _ in range(_TRIES))


def _passes(command: list[str], place: Path, name: str) -> bool:
    env = os.environ | {"MUTANT_UNDER_TEST": name, "PYTHONPATH": f"{place}/src"}
    try:
        done = subprocess.run(
            command, cwd=place, env=env, check=False, capture_output=True, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _tests_of(module: str) -> list[str]:
    return [f"tests/{file}" for file in MODULES[module].split()]


def _mutmut(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mutmut", *arguments]


def _lay_out(folder: Path, module: str, source: str) -> None:
    """Copy the project to where it may be changed, told what to change and what to run."""
    shutil.rmtree(folder, ignore_errors=True)
    unwanted = shutil.ignore_patterns("__pycache__", ".hypothesis")
    shutil.copytree(ROOT / "provider", folder / "src", ignore=unwanted)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=unwanted)
    _file(folder / "src", module).write_text(undecorated(source))
    settings = {
        "source_paths": ["src"],
        "only_mutate": [str(_file(Path("src"), module))],
        "pytest_add_cli_args": OPTIONS.get(module, []),
        "pytest_add_cli_args_test_selection": _tests_of(module),
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    project = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text("\n".join([project, "[tool.mutmut]", *lines, ""]))


def _file(sources: Path, module: str) -> Path:
    return sources / "airflow_wechat" / f"{module.replace('.', '/')}.py"


def _source(module: str) -> str:
    return _file(ROOT / "provider", module).read_text()


def _mutant(folder: Path, name: str) -> Mutant:
    shown = subprocess.run(
        _mutmut("show", name), cwd=folder, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    was, becomes = (
        "\n".join(line[1:].strip() for line in shown if line.startswith(sign) and line[1:2] != sign)
        for sign in "-+"
    )
    return {"function": _function(name), "was": was, "becomes": becomes}


def _function(name: str) -> str:
    """Return a function's own name, of mutmut's ``x_name__mutmut_1`` and ``xǁClassǁname__mutmut_1``."""
    mangled = name.rpartition("__mutmut_")[0].rpartition(".")[2]
    return mangled.removeprefix("xǁ").replace("ǁ", ".") if "ǁ" in mangled else mangled.removeprefix("x_")


def _reasons() -> dict[tuple[str, ...], str]:
    known = tomllib.loads(EXPLAINED.read_text())
    return {
        (module, mutant["function"], mutant["was"], mutant["becomes"]): mutant["why"]
        for module, mutants in known.items()
        for mutant in mutants
    }


def _unexplained(document: dict[str, Any]) -> Iterator[Mutant]:
    reasons = _reasons()
    for module, found in document["modules"].items():
        for mutant in found["survivors"]:
            if (module, *mutant.values()) not in reasons:
                yield mutant


def write(document: dict[str, Any]) -> None:
    """Write the figures down, and the page that shows them."""
    document["modules"] = {name: document["modules"][name] for name in MODULES if name in document["modules"]}
    JSON.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    JSON.with_suffix(".md").write_text("\n".join(page(document["modules"])) + "\n")


def page(modules: dict[str, Any]) -> list[str]:
    """Return the lines of the page: a table of all modules, then each survivor."""
    reasons = _reasons()
    changed = out_of_date(modules)
    lines = [
        "# Mutants",
        "",
        "`make mutants` changes the functions of the client and the storage in one small way after the other "
        "(another operator, another number, an argument left out …), by mutmut, and runs the tests that know "
        f"the module. Tables of data are left as they are{_left_alone()}. A change that no test notices has "
        "survived; each is named below, with why no test can or need notice it.",
        "",
        "| module | mutants | killed | survivors | measured on |",
        "|---|---:|---:|---:|---|",
    ]
    for module, found in modules.items():
        figures = (found["mutants"], found["killed"], len(found["survivors"]))
        when = found["measured_on"] + (", changed since" if module in changed else "")
        lines.append(f"| `{module}` | {' | '.join(f'{one:,}' for one in figures)} | {when} |")
    if left := [f"`{module}`" for module in MODULES if module not in modules]:
        lines += ["", f"Not measured yet: {', '.join(left)}."]
    for module, found in modules.items():
        if found["survivors"]:
            lines += ["", f"## `{module}`"]
        for mutant in found["survivors"]:
            why = reasons.get((module, *mutant.values()), "**not explained yet**")
            lines += ["", f"In `{mutant['function']}`: {why}", "", "```diff", *_diff(mutant), "```"]
    return lines


def _left_alone() -> str:
    """Name the functions of all modules that no change can be made to."""
    named = [
        f"`{module}`: `{function}` ({decorators})"
        for module in MODULES
        for function, decorators in left_alone(_source(module)).items()
    ]
    return f", and what has a decorator that cannot be taken off ({'; '.join(named)})" if named else ""


def _diff(mutant: Mutant) -> list[str]:
    return [
        f"{sign} {line}"
        for sign, key in (("-", "was"), ("+", "becomes"))
        for line in mutant[key].splitlines()
    ]


if __name__ == "__main__":
    os.nice(10)
    sys.exit(main(sys.argv[1:]))
