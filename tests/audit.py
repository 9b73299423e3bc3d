"""Known weaknesses of what is installed, by pip-audit and PyPI's list of them.

``make audit`` runs it. Exits with 1 where a package has a known weakness, and with 2 where the list cannot be
reached: nothing was looked up then, which is no good news.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

Package = dict[str, Any]

KNOWN_WEAK = "requests==2.5.0\n"  # the list has had an entry for it since 2015


def main(folder: Path) -> int:
    if not reachable():
        print("PyPI's list of known weaknesses cannot be reached from here: nothing was looked up.")
        return 2
    packages = audited("--path", str(folder))
    weak = [package for package in packages if package.get("vulns")]
    passed_over = [package["name"] for package in packages if "skip_reason" in package]
    for package in weak:
        for found in package["vulns"]:
            mended = ", ".join(found["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {found['id']}, mended in {mended}")
    print(f"{len(packages) - len(passed_over)} packages looked up, {len(weak)} have a known weakness")
    print(f"not on PyPI: {', '.join(passed_over) or 'none'}")
    return 1 if weak else 0


def reachable() -> bool:
    """Tell whether the list says of a package what everybody knows."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(KNOWN_WEAK)
        file.flush()
        return any(
            package.get("vulns")
            for package in audited("--requirement", file.name, "--no-deps", "--disable-pip")
        )


def audited(*arguments: str) -> list[Package]:
    """Return what pip-audit says of each package; of none, where it ends in an error."""
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages: list[Package] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        sys.stderr.write(done.stderr[-2000:])
        return []
    return packages


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
