"""What README and docs show: their pages, code blocks and commands."""

from __future__ import annotations

import re
from pathlib import Path

from from_code import expand

ROOT = Path(__file__).parents[1]
DOCS = sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)
FRONT = [ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md")]
PAGES = [*FRONT, *DOCS]


def text_of(page: Path) -> str:
    """Return a page as a reader gets it, with what is made from the code."""
    return expand(page.read_text())


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), flags=re.DOTALL | re.MULTILINE)


def all_blocks(language: str) -> list[tuple[str, str]]:
    """Return each block of a language once, with the first page that shows it."""
    found: dict[str, str] = {}
    for page in PAGES:
        for block in blocks(page, language):
            found.setdefault(block, name_of(page))
    return [(page, block) for block, page in found.items()]


def commands() -> list[tuple[str, str]]:
    """Return each command line that is shown, with its page."""
    return [(page, line) for page, block in all_blocks("bash") for line in block.splitlines()]


def inline_commands() -> list[tuple[str, str]]:
    """Return each command that stands in a sentence, with its page; what is cut short by … is none."""
    found: dict[str, str] = {}
    for page in PAGES:
        for command in re.findall(r"`((?:airflow|make|python -m airflow_wechat\S*) [^`…]+)`", text_of(page)):
            found.setdefault(command, name_of(page))
    return [(page, command) for command, page in found.items()]
