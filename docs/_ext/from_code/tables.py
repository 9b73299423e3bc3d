"""The code's tables as Markdown."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType, SimpleNamespace
from typing import Any

from airflow_wechat import __main__ as command_line
from airflow_wechat.client import errors as error_tree
from airflow_wechat.client.errors import ERRCODES, Errcode, WeChatError
from airflow_wechat.client.options import OPTIONS, Option
from airflow_wechat.client.reports import KEY_COLUMNS, REPORTS, Column
from airflow_wechat.doctor.checks import checks_of
from airflow_wechat.operators.check import WeChatCheckOperator
from airflow_wechat.operators.report import BadArgumentError
from airflow_wechat.operators.visit_trend import (
    WeChatDailyVisitTrendOperator,
    WeChatMonthlyVisitTrendOperator,
    WeChatWeeklyVisitTrendOperator,
)
from airflow_wechat.provider_info import get_provider_info
from airflow_wechat.sandbox.__main__ import make_parser as make_sandbox_parser
from airflow_wechat.sandbox.roads import ROADS
from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from from_code.examples import STARTS

OPERATORS: Mapping[type, str] = MappingProxyType(
    {
        WeChatReportToSqlOperator: "to SQL",
        WeChatReportToObjectStorageOperator: "to files",
        WeChatDailyVisitTrendOperator: "fetch",
        WeChatWeeklyVisitTrendOperator: "fetch",
        WeChatMonthlyVisitTrendOperator: "fetch",
        WeChatCheckOperator: "check",
    }
)
"""Every operator, and its kind in the table of parameters."""


def table(*head: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def reports() -> str:
    """Return every report: its periods, its table, and what WeChat calls it."""
    return table(
        "report",
        "a period is a",
        "table, unless another is named",
        "HTTPS call",
        "cloud call",
        rows=(
            [
                f"`{report.name}`",
                report.granularity.noun,
                f"`{report.default_table}`",
                f"`{report.path}`",
                f"`{report.cloud_call}`",
            ]
            for report in REPORTS.values()
        ),
    )


def columns() -> str:
    """Return the columns of every report, once for those that have the same."""
    shared: dict[tuple[Column, ...], list[str]] = {}
    for report in REPORTS.values():
        shared.setdefault(report.columns, []).append(f"`{report.name}`")
    return "\n\n".join(
        f"Of {', '.join(names)}:\n\n{_columns(described)}" for described, names in shared.items()
    )


def _columns(described: Iterable[Column]) -> str:
    return table(
        "column",
        "type",
        "null",
        "meaning",
        rows=([f"`{one.name}`", one.type.value, _null(one), one.comment] for one in described),
    )


def _null(column: Column) -> str:
    if column.name in KEY_COLUMNS:
        return "primary key"
    return "may be" if column.nullable else "never"


def options() -> str:
    """Return every option of a connection."""
    rows = ([f"`{one.name}`", one.label, _values(one), one.help] for one in OPTIONS.values())
    return table("field in Extra", "in the form", "values; default first", "meaning", rows=rows)


def _values(option: Option) -> str:
    values = ", ".join(f"`{value}`" for value in option.choices or (option.default,) if value)
    return values + ("secret" if option.secret else "")


def error_classes() -> Iterator[type[Exception]]:
    """Give every error, the unknown one last."""
    own = [
        kind
        for kind in vars(error_tree).values()
        if isinstance(kind, type) and issubclass(kind, WeChatError) and kind is not WeChatError
    ]
    yield from (*own, WeChatError, BadArgumentError)


def errors() -> str:
    """Return a section for each error: what it means, whether it is retried, what to do, its errcodes."""
    return "\n\n".join(_error(kind) for kind in error_classes())


def _error(kind: type[Exception]) -> str:
    advice = getattr(kind, "default_advice", "correct the argument that the message names")
    codes = sorted(code for code, known in ERRCODES.items() if known.error is kind)
    parts = [
        f"### `{kind.__name__}`",
        _first_line(kind),
        f"**Retried:** {'yes' if getattr(kind, 'retryable', False) else 'no, the task ends at once'}.",
        f"**What to do:** {advice}.",
    ]
    return "\n\n".join([*parts, *([_errcodes((code, ERRCODES[code]) for code in codes)] if codes else [])])


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")


def errcodes() -> str:
    """Return every errcode in the order of numbers."""
    return _errcodes(sorted(ERRCODES.items()), named=True)


def _errcodes(known: Iterable[tuple[int, Errcode]], *, named: bool = False) -> str:
    head = ("errcode", *(["error"] if named else []), "meaning", "what to do")
    rows = (
        [
            f"`{code}`",
            *([f"[{one.error.__name__}](#{one.error.__name__.lower()})"] if named else []),
            one.meaning,
            one.advice or (one.error.default_advice if named else "as above"),
        ]
        for code, one in known
    )
    return table(*head, rows=rows)


def parameters() -> str:
    """Return every parameter of our own, its default, and which operators take it."""
    taken: dict[str, list[tuple[type, inspect.Parameter]]] = {}
    for operator in OPERATORS:
        for name, parameter in parameters_of(operator).items():
            taken.setdefault(name, []).append((operator, parameter))
    rows = (
        [f"`{name}`", _default(found[0][1]), _templated(name, found[0][0]), _takers(found)]
        for name, found in taken.items()
    )
    return table("parameter", "default", "templated", "taken by", rows=rows)


def parameters_of(operator: type) -> dict[str, inspect.Parameter]:
    """Return an operator's parameters, its own first, without those of Airflow's own base."""
    found: dict[str, inspect.Parameter] = {}
    for kind in operator.__mro__:
        if kind.__module__.startswith("airflow_wechat") and "__init__" in vars(kind):
            signature = inspect.signature(kind.__init__)  # type: ignore[misc]
            own = (one for one in signature.parameters.values() if one.kind is one.KEYWORD_ONLY)
            found |= {one.name: one for one in own if one.name not in found}
    return found


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return "must be given"
    if parameter.name == "deferrable":
        return "`[operators] default_deferrable`"
    return (
        f"`{parameter.default}`" if isinstance(parameter.default, timedelta) else f"`{parameter.default!r}`"
    )


def _templated(name: str, operator: Any) -> str:
    name = "through_date" if name == "end_date" else name  # docs/decisions/end-date-parameter.md
    return "yes" if name in operator.template_fields else "no"


def _takers(found: Sequence[tuple[type, inspect.Parameter]]) -> str:
    return ", ".join(dict.fromkeys(OPERATORS[operator] for operator, _ in found))


def commands() -> str:
    """Return the help of every command."""
    return "\n\n".join(_help(one) for one in subparsers(command_line.make_parser()).values())


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a parser's subcommands."""
    [action] = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]  # noqa: SLF001
    return dict(action.choices)


def sandbox() -> str:
    """Return the help of the sandbox."""
    return _help(make_sandbox_parser())


def _help(parser: argparse.ArgumentParser) -> str:
    rows = ([f"`{_usage(one)}`", _meaning(parser, one)] for one in parser._actions)  # noqa: SLF001
    return "\n\n".join(
        [
            f"### `{parser.prog}`",
            f"{parser.description}.".replace("..", "."),
            table("argument", "meaning", rows=rows),
        ]
    )


def _usage(argument: argparse.Action) -> str:
    if not argument.option_strings:
        return f"[{argument.dest}]" if argument.nargs == "?" else argument.dest
    value = "" if argument.nargs == 0 else f" {argument.metavar or argument.dest.upper()}"
    return ", ".join(argument.option_strings) + value


def _meaning(parser: argparse.ArgumentParser, argument: argparse.Action) -> str:
    words = (argument.help or "") % {**vars(argument), "prog": parser.prog}
    choices = ", ".join(f"`{choice}`" for choice in argument.choices or ())
    must = "; must be given" if argument.required and argument.option_strings else ""
    return words + (f": {choices}" if choices else "") + must


def roads() -> str:
    """Return every road of the sandbox."""
    rows = ([f"`{name}`", road.description] for name, road in ROADS.items())
    return table("`--road`", "plays", rows=rows)


def checks() -> str:
    """Return the doctor's checks in their order, those of a report once."""
    patient: Any = SimpleNamespace(reports=tuple(REPORTS.values()), reach_database=True)
    names = [re.sub(r"\w+_visit_trend", "REPORT", check.name) for check in checks_of(patient)]
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def configuration() -> str:
    """Return the options of Airflow's configuration that are ours."""
    sections: dict[str, Any] = get_provider_info().get("config", {})
    rows = [
        [f"`[{section}] {name}`", _unset(option.get("default")), _plain(option.get("description"))]
        for section, told in sections.items()
        for name, option in told["options"].items()
    ]
    if not rows:
        return "This version has none of its own: what there is to set is set in connections and operators."
    return table("option", "default", "meaning", rows=rows)


def _unset(value: object) -> str:
    return "not set" if value in {None, ""} else f"`{value}`"


def _plain(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split())


def starts() -> str:
    """Return, for ways to start a run, the periods it stands for: by the very function that decides."""
    rows = ([start.what, start.told, f"`{start.periods()}`"] for start in STARTS)
    return table("the run", "what Airflow says of it", "stands for", rows=rows)
