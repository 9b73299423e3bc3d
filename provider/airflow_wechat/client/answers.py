"""From WeChat's answer to rows, or to the error it stands for. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from airflow_wechat.client.errors import CheckAnswerError, error_of
from airflow_wechat.client.periods import Period
from airflow_wechat.client.reports import Column, ColumnType, Report, Row

Answer = dict[str, Any]
"""What WeChat said: a JSON object."""

_NOT_JSON = object()
_LONGEST_ERRMSG = 1000
_DEEPEST = 100  # levels of JSON; what is read near Python's own limit could not be written again
_INT64 = range(-(2**63), 2**63)
_TOKEN = re.compile(rb'(token"\s*:\s*")(?:\\.|[^"\\])*|(token=)[^"&\s]*')


def decode(body: bytes, path: str, *, quoting: bool = True) -> Answer:
    """Read the JSON object in a body.

    :param quoting: whether an error may quote how the body begins
    :raises CheckAnswerError: for HTML, cut-off JSON, JSON that is no object or is nested without end, and
        numbers JSON does not know
    """
    answer = _parsed(body)
    if not isinstance(answer, dict):
        what = "not JSON" if answer is _NOT_JSON else "not a JSON object"
        raise CheckAnswerError(f"{what} but {_glimpse(body) if quoting else _kind(body)}", path=path)
    if _is_deeper(answer, _DEEPEST):
        raise CheckAnswerError(f"JSON of more than {_DEEPEST} levels", path=path)
    return answer


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(held, levels - 1) for held in inner)


def _parsed(body: bytes) -> Any:
    with suppress(ValueError, RecursionError):  # its error, and so a chain, would hold the whole body
        return json.loads(body.decode("utf-8"), parse_constant=_finite, parse_float=_finite)
    return _NOT_JSON


def raise_for_errcode(answer: Answer, path: str, *, token_endpoint: bool = False) -> None:
    """Raise the error that an answer's ``errcode`` stands for; 0 and none are success.

    :raises WeChatError: the class that :data:`~airflow_wechat.client.errors.ERRCODES` names for the code
    """
    given = answer.get("errcode", 0)
    number = re.fullmatch(r"(-?[0-9]{1,10})(?:\.0)?", str(given))
    if number is None:
        raise CheckAnswerError(f"errcode is {_shown(given)}, not a number", path=path)
    if errcode := int(number[1]):
        errmsg = str(answer.get("errmsg") or "")[:_LONGEST_ERRMSG]
        raise error_of(errcode, errmsg, path, token_endpoint=token_endpoint)


def checked(answer: Answer, path: str, *, token_endpoint: bool = False) -> Answer:
    """Return an answer that is a success.

    :param token_endpoint: whether the call carried the AppSecret; errcodes then mean what they mean there
    :raises WeChatError: for any other; see :func:`raise_for_errcode`
    """
    raise_for_errcode(answer, path, token_endpoint=token_endpoint)
    return answer


@dataclass(frozen=True)
class Quota:
    """How often a path may be called.

    :param daily_limit: calls a day
    :param used: of them today, Beijing time
    :param remaining: what is left of them
    :param a_minute: calls a minute; ``None`` where WeChat names no limit
    """

    daily_limit: int
    used: int
    remaining: int
    a_minute: float | None = None


def quota_in(answer: Answer, path: str) -> Quota:
    """Read what ``openapi/quota/get`` says.

    :raises CheckAnswerError: where numbers are missing
    """
    numbers: Any = answer.get("quota")
    try:
        limit, used, remaining = (int(numbers[name]) for name in ("daily_limit", "used", "remain"))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise CheckAnswerError(f"no quota in the answer, {_names_in(answer)}", path=path) from None
    rate = numbers.get("rate_limit") or answer.get("rate_limit")  # WeChat's pages show both places
    return Quota(limit, used, remaining, a_minute=_a_minute(rate))


def _a_minute(rate: Any) -> float | None:
    with suppress(TypeError, KeyError, ValueError, ArithmeticError):
        a_minute = 60 * float(rate["call_count"]) / float(rate["refresh_second"])
        return a_minute if math.isfinite(a_minute) else None
    return None


def rows_of(report: Report, period: Period, app_id: str, answer: Answer, fetched_at: datetime) -> list[Row]:
    """Turn a successful answer into its row: a list of one, or of none where WeChat's list is empty.

    :raises CheckAnswerError: for no list, several rows, another period than asked, a missing number, or a
        text where a number belongs
    """
    entries = answer.get("list")
    if not isinstance(entries, list):
        _refuse(report, f"no list in the answer, {_names_in(answer)}")
    if len(entries) > 1:
        _refuse(report, f"{len(entries)} rows for {period}, expected one")
    return [_row(report, period, app_id, entry, fetched_at) for entry in entries]


def _row(report: Report, period: Period, app_id: str, entry: Any, fetched_at: datetime) -> Row:
    if not isinstance(entry, dict):
        _refuse(report, f"the row for {period} is {_shown(entry)}, expected an object")
    if entry.get("ref_date") != period.ref_date:
        _refuse(report, f"asked for {period.ref_date}, got ref_date {_shown(entry.get('ref_date'))}")
    known = {"ref_date", *(field.name for field in report.fields)}
    return {
        "app_id": app_id,
        "period_start": period.start.isoformat(),
        "period_end": period.end.isoformat(),
        "ref_date": period.ref_date,
        **{field.name: _number(report, field, entry) for field in report.fields},
        "extra": {name: value for name, value in entry.items() if name not in known} or None,
        "fetched_at": fetched_at.astimezone(UTC).isoformat(timespec="microseconds"),
    }


def _number(report: Report, field: Column, entry: Mapping[str, Any]) -> int | float | None:
    value = entry.get(field.name)
    if value is None:
        if field.nullable:
            return None
        _refuse(report, f"{field.name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(report, f"{field.name} is {_shown(value)}, expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _refuse(report, f"{field.name} is {_shown(value)}, expected a finite number")
    if field.type is ColumnType.NUMBER:
        return number
    if value != int(value) or int(value) not in _INT64:
        _refuse(report, f"{field.name} is {_shown(value)}, expected a {field.type.value}")
    return int(value)


def _refuse(report: Report, errmsg: str) -> NoReturn:
    raise CheckAnswerError(errmsg, path=report.path)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # NaN and Infinity, and what reads as infinity: 1e400
        raise ValueError(text)
    return number


def _shown(value: Any) -> str:
    return repr(value)[:80]


def _names_in(answer: Answer) -> str:
    return f"only {sorted(answer)[:10]!r:.300}"


def _glimpse(body: bytes) -> str:
    shown = _TOKEN.sub(rb"\1\2***", body)  # an answer that gives a token may arrive cut off
    return repr(shown[:80].decode("utf-8", "replace")) + (f" … ({len(body)} bytes)" if len(body) > 80 else "")


def _kind(body: bytes) -> str:
    return f"{'HTML' if body.lstrip().startswith(b'<') else 'something else'} ({len(body)} bytes)"
