"""Write down which versions an environment holds: ``installed.py FILE``."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

NAMED = ("apache-airflow", "SQLAlchemy", "pendulum", "requests")

if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"Python": platform.python_version()} | {name: version(name) for name in NAMED})
    )
