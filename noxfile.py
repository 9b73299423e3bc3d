"""The test suite on every supported Airflow: ``make matrix`` runs it, ``make matrix ONLY=2.11`` on one."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.10"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # the table names them
nox.options.reuse_venv = "yes"

PYTHONS = {
    "2.11": ["3.11"],
    "3.0": ["3.11"],
    "3.1": ["3.11"],
    "3.2": ["3.11"],
    "3.3": ["3.11", "3.12", "3.13"],
}
"""Airflow's minor versions, each in its newest patch, and the Pythons it is tried with."""

HELD_BACK = {"3.0": ["fastapi<0.118", "universal-pathlib<0.3"]}
"""What a version does not refuse and does not run with: only Airflow's constraint files hold it back."""

SUITE = ("tests/airflow", "tests/storage", "tests/client/test_doctor_database.py")
"""All that knows Airflow or SQLAlchemy, without the end-to-end part."""

WITHOUT_AIRFLOW = ("tests/client", "tests/cloud_function")
"""What knows neither: once for each Python, with the newest Airflow, is enough."""

SMOKE = ("tests/smoke",) if os.environ.get("E2E") else ()
"""What runs DAGs under each version's own scheduler."""

EXTRAS = os.environ.get("EXTRAS", "all")

RESULTS = Path(".nox/results").absolute()


def find_python(minor: str) -> str:
    """Return what nox shall look for: pyenv's newest of that minor version, also where another is in use."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    patches = {path.parts[-3]: path for path in pyenv.glob(f"versions/{minor}.*/bin/python{minor}")}
    newest = max(patches, key=lambda patch: [int(n) for n in patch.split(".") if n.isdigit()], default=None)
    return str(patches[newest]) if newest else minor


@nox.session
@nox.parametrize(
    ("python", "airflow", "minor"),
    [
        nox.param(find_python(minor), airflow, minor, id=f"{airflow}-py{minor}", tags=[airflow])
        for airflow, pythons in PYTHONS.items()
        for minor in pythons
    ],
)
def tests(session: nox.Session, airflow: str, minor: str) -> None:
    """Run the suite on an Airflow and a Python; ``-- PATH …`` runs a part of it."""
    result = RESULTS / f"{airflow}-py{minor}"
    result.with_name(f"{result.name}.xml").unlink(missing_ok=True)
    requirements = (f"apache-airflow=={airflow}.*", *HELD_BACK.get(airflow, ()))
    ours = ("--editable", f".[{EXTRAS}]", "--group", "tests")
    session.install("--upgrade", "--compile-bytecode", *requirements, *ours)
    session.run("python", "tests/matrix/installed.py", f"{result}.json")
    options = ("--quiet", "--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")
    suite = (*SUITE, *WITHOUT_AIRFLOW) if airflow == max(PYTHONS, key=_number) else SUITE
    session.run(
        "python", "-m", "pytest", *options, f"--junit-xml={result}.xml", *(session.posargs or suite), *SMOKE
    )


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
