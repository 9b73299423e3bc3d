"""What `make dist` has built, and the wheel in an environment of its own, away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def only(pattern: str) -> Path:
    found = sorted((ROOT / "dist").glob(pattern))
    assert len(found) == 1, f"{len(found)} files {pattern} in dist/: `make dist` builds one"
    return found[0]


@pytest.fixture(scope="session")
def wheel() -> Path:
    return only("*.whl")


@pytest.fixture(scope="session")
def sdist() -> Path:
    return only("*.tar.gz")


class Installed:
    """An environment that holds the wheel and what it needs, and an Airflow home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv/bin/python"
        self.target = folder / "target.db"
        self.environment = {
            "PATH": f"{folder}/venv/bin:{os.environ['PATH']}",
            "HOME": str(folder),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW_CONN_WECHAT_TARGET": json.dumps({"conn_type": "sqlite", "host": str(self.target)}),
            "PYTHONWARNINGS": "ignore",
            "NO_PROXY": "127.0.0.1",
        }

    def run(self, *words: str, **environment: str) -> str:
        """Run a module in a process that knows nothing of the checkout; return what it prints."""
        done = subprocess.run(
            [self.python, *words],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed by its name and nothing else, with SQLite and the page's extra."""
    folder = tmp_path_factory.mktemp("installed")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    given = f"airflow-provider-wechat[sqlite,trends] @ {wheel.as_uri()}"
    into = ["--python", str(folder / "venv/bin/python"), "--compile-bytecode"]
    subprocess.run([uv, "pip", "install", "--quiet", *into, given], cwd=folder, check=True)
    shutil.copytree(ROOT / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    return Installed(folder)
