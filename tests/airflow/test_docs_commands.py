"""Every command that README and docs show is one that its program takes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

import pytest
from airflow.providers.common.compat.sdk import conf

from airflow_features import takes_providers_commands, tasks_ask_an_api
from airflow_wechat.__main__ import make_parser
from airflow_wechat.sandbox.__main__ import joined
from airflow_wechat.sandbox.__main__ import make_parser as make_sandbox_parser
from shown import ROOT, commands, inline_commands

MAKEFILE = (ROOT / "Makefile").read_text()
PYPROJECT = (ROOT / "pyproject.toml").read_text()


def read_by_airflow(words):
    """Let Airflow's own parser read a command, where this version has it."""
    from airflow.cli.cli_parser import get_parser

    if words[0] == "wechat" and not takes_providers_commands():
        pytest.skip("Airflow takes commands of providers from 3.2 on")
    if "backfill" in words[:2] and (words[0] == "backfill") != tasks_ask_an_api():
        pytest.skip("another version's command")
    get_parser.cache_clear()
    get_parser().parse_args(words)


def made(words):
    targets = [word for word in words if "=" not in word]

    assert [name for name in targets if not re.search(rf"^{name}:", MAKEFILE, flags=re.MULTILINE)] == []
    assert [
        word
        for word in words
        if "=" in word and f"$({word.partition('=')[0]})" not in MAKEFILE.replace("$(if $(", "$(")
    ] == []


def installed(words):
    [(name, extras)] = [re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?", word).groups() for word in words]

    assert f'name = "{name}"' in PYPROJECT
    assert [one for one in extras.split(",") if not re.search(rf"^{one} = \[", PYPROJECT, re.MULTILINE)] == []


def exported(words):
    [(name, value)] = [word.split("=", maxsplit=1) for word in words]
    if name.startswith("AIRFLOW_CONN_"):
        return  # test_readme.py reads them
    _, section, option = name.split("__")

    assert conf.get(section.lower(), option.lower(), fallback=None) is not None
    assert value


def run_by_pytest(words):
    [path] = [word for word in words if word.startswith("tests/")]

    assert (ROOT / path).is_dir()


PROGRAMS = {
    ("airflow",): read_by_airflow,
    ("make",): made,
    ("pip", "install"): installed,
    ("export",): exported,
    ("python", "-m", "airflow_wechat"): lambda words: make_parser().parse_args(words),
    ("python", "-m", "airflow_wechat.sandbox"): lambda words: make_sandbox_parser().parse_args(joined(words)),
    (".venv/bin/python", "-m", "pytest"): run_by_pytest,
}


def read(words):
    """Let the program that a command is for read it; a program that is not known here fails the test."""
    [(program, reader)] = [
        (program, reader) for program, reader in PROGRAMS.items() if tuple(words[: len(program)]) == program
    ]
    reader(words[len(program) :])


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda text: text[:60])
def test_every_command_shown_is_taken_by_its_program(page, line, capsys):
    try:
        read(shlex.split(line))
    except SystemExit:
        pytest.fail(f"{page} shows {line!r}: {capsys.readouterr().err}")


@pytest.mark.parametrize(("page", "command"), inline_commands(), ids=lambda text: text[:60])
def test_every_command_in_a_sentence_exists(page, command, capsys):
    words = shlex.split(command)
    status = 0
    try:
        read(words if words[0] == "make" else [*words, "--help"])
    except SystemExit as end:
        status = end.code

    assert status == 0, f"{page} mentions {command!r}: {capsys.readouterr().err}"


def test_a_wrong_option_would_be_found():
    with pytest.raises(SystemExit):
        read(shlex.split("python -m airflow_wechat gaps --repot daily_visit_trend --sql-conn-id warehouse"))


def test_every_make_command_is_mentioned_for_contributors():
    targets = set(re.findall(r"^([a-z0-9]+):.*##", MAKEFILE, flags=re.MULTILINE))
    mentioned = set(re.findall(r"make ([a-z0-9]+)", (ROOT / "CONTRIBUTING.md").read_text()))

    assert targets - mentioned == {"venv", "demo", "clean"}
    assert "make demo" in (ROOT / "README.md").read_text()


def test_make_help_lists_every_command():
    done = subprocess.run(
        ["make", "help"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert {line.split()[0] for line in done.stdout.splitlines()} >= {"docs", "dist", "test", "lint"}
