"""Everything that users can name has its place in the docs."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_wechat.__main__ import make_parser
from airflow_wechat.client.errors import ERRCODES, WeChatError
from airflow_wechat.client.options import OPTIONS
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.commands import COMMANDS
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.provider_info import get_provider_info
from airflow_wechat.sandbox.__main__ import make_parser as make_sandbox_parser
from airflow_wechat.sandbox.failures import FAILURES
from airflow_wechat.sandbox.roads import ROADS
from airflow_wechat.storage.formats import FORMATS
from shown import DOCS, text_of

TEXT = "\n".join(map(text_of, DOCS))
WORDS = {
    word
    for code in re.findall(r"`([^`\n]+)`", TEXT)
    for word in (code, *re.findall(r"(?<![\w-])-{0,2}[\w-]+", code))
}
INFO = get_provider_info()


def operators() -> dict[str, type]:
    modules = [module for listed in INFO["operators"] for module in listed["python-modules"]]
    modules += [transfer["python-module"] for transfer in INFO["transfers"]]
    return {
        name: found
        for module in map(importlib.import_module, modules)
        for name, found in vars(module).items()
        if inspect.isclass(found) and issubclass(found, BaseOperator) and found.__module__ == module.__name__
        if not name.startswith("_")
    }


def parameters() -> set[str]:
    """Return what the operators' constructors take beyond Airflow's own."""
    return {
        name
        for operator in operators().values()
        for kind in operator.__mro__
        if kind.__module__.startswith("airflow_wechat") and "__init__" in vars(kind)
        for name in inspect.signature(kind.__init__).parameters
    } - {"self", "kwargs"}


def kinds_of(error: type) -> set[str]:
    return {error.__name__}.union(*map(kinds_of, error.__subclasses__()))


def arguments_of(parser: argparse.ArgumentParser) -> set[str]:
    found = {name for action in parser._actions for name in action.option_strings}
    nested = [one.choices.values() for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return found.union(*(arguments_of(one) for parsers in nested for one in parsers))


NAMES = {
    "operator": set(operators()),
    "parameter": parameters(),
    "report": set(REPORTS),
    "table": {report.default_table for report in REPORTS.values()},
    "column": {column.name for report in REPORTS.values() for column in report.columns},
    "option": set(OPTIONS),
    "choice": {choice for option in OPTIONS.values() for choice in option.choices},
    "error": kinds_of(WeChatError) | {BadArgumentError.__name__},
    "errcode": set(map(str, ERRCODES)),
    "file format": set(FORMATS),
    "command": {command.name for command in COMMANDS},
    "argument": arguments_of(make_parser()) | arguments_of(make_sandbox_parser()),
    "failure": set(FAILURES),
    "road": set(ROADS),
    "configuration": {name for section in INFO.get("config", {}).values() for name in section["options"]},
    "timetable": {"ReportTimetable"},
    "hook": {"WeChatHook"},
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in sorted(names)]
)
def test_every_name_is_mentioned(kind, name):
    assert name in WORDS or re.search(rf"auto\w+:: [\w.]+\b{name}$", TEXT, flags=re.MULTILINE), kind


def test_a_name_that_is_not_there_would_be_missed():
    assert not {"no_such_parameter", "NoSuchError", "40999"} & WORDS


@pytest.mark.parametrize("code", ERRCODES)
def test_every_errcode_says_what_to_do_in_the_table(code):
    known = ERRCODES[code]
    [advice] = re.findall(
        rf"^\| `{code}` \| \[{known.error.__name__}\]\(\S+\) \| .+? \| (.+) \|$", TEXT, flags=re.MULTILINE
    )

    assert advice == (known.advice or known.error.default_advice)
