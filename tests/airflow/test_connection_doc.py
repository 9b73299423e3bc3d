"""What docs/connection.md and the page of options say is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_wechat.client.options import OPTIONS, Options
from shown import text_of

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "connection.md").read_text()
LISTED = re.findall(
    r"^\| `(\w+)` \| (.+?) \| .*? \| (.+) \|$",
    text_of(ROOT / "docs" / "reference" / "options.md"),
    flags=re.MULTILINE,
)


def test_the_options_are_listed_as_the_form_has_them():
    assert [(name, option.label, option.help) for name, option in OPTIONS.items()] == LISTED


@pytest.mark.parametrize(
    "choice", [f"`{choice}`" for option in OPTIONS.values() for choice in option.choices]
)
def test_every_choice_has_its_section(choice):
    assert re.search(rf"^### {choice}$", DOC, flags=re.MULTILINE)


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", DOC, flags=re.DOTALL))
def test_every_extra_shown_is_accepted(block):
    extra = json.loads(block)

    assert Options.read(extra).given == extra
