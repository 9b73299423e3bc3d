"""Pictures of periods and runs, drawn by the code that decides: inline SVG in the page's own colours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from html import escape
from textwrap import wrap

from airflow_wechat.client.periods import READY_AFTER, Granularity, latest_complete, midnight
from from_code.examples import NOW, STARTS

_WIDTH, _LEFT, _ROW, _TOP = 760, 190, 46, 44
_FIRST, _LAST = date(2026, 1, 24), date(2026, 2, 3)
_DAYS = [_FIRST + timedelta(days=number) for number in range((_LAST - _FIRST).days + 1)]
_DAY = (_WIDTH - _LEFT) / len(_DAYS)


def periods() -> str:
    """Draw the newest day, week and month at a moment, each with the moment of its run."""
    rows = []
    for granularity in Granularity:
        period = latest_complete(granularity, NOW)
        run = period.ends_at + READY_AFTER
        name = f"{granularity}: its run comes\n{run.day} {run:%B} at {run:%H:%M}"
        rows.append((name, period.begins_at, period.ends_at, run))
    return _picture(rows, "Each report's newest period on 2 February 2026 in Beijing, and when its run comes")


def starts() -> str:
    """Draw for each way to start a run when that is, and what it stands for."""
    rows = []
    for start in STARTS:
        stands_for = start.periods()
        begins, ends = stands_for.first.begins_at, stands_for.last.ends_at
        rows.append((start.what.replace("`", ""), begins, ends, start.at))
    return _picture(rows, "When a run of a daily report is started, and which days it stands for")


def _picture(rows: Iterable[tuple[str, datetime, datetime, datetime]], title: str) -> str:
    drawn = [_row(number, *row) for number, row in enumerate(rows)]
    height = _TOP + _ROW * len(drawn) + 8
    body = "".join([*_axis(height), *drawn])
    svg = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">{body}</svg>'
    return f'<figure class="drawn">{svg}<figcaption>{escape(title)}</figcaption></figure>\n'


def _axis(height: int) -> Iterable[str]:
    for number, day in enumerate(_DAYS):
        x = _LEFT + number * _DAY
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{height - 4}"/>'
        middle = x + _DAY / 2
        yield f'<text class="axis" x="{middle:.1f}" y="14">{day:%a}</text>'
        yield f'<text class="axis" x="{middle:.1f}" y="30">{day.day} {day:%b}</text>'


def _row(number: int, name: str, begins: datetime, ends: datetime, run: datetime) -> str:
    y = _TOP + number * _ROW
    left, right, at = _x(begins), _x(ends), _x(run)
    cut = " cut" if begins < midnight(_FIRST) else ""
    return (
        f'{_name(name, y)}<rect class="period{cut}" x="{left:.1f}" y="{y + 8}" width="{right - left:.1f}" '
        f'height="26" rx="4"/><path class="run" d="M{at:.1f} {y + 8}v26m-5 -9l5 9l5 -9"/>'
    )


def _name(name: str, y: int) -> str:
    """Draw a row's name, in as many lines as it needs."""
    lines = [line for given in name.split("\n") for line in wrap(given, 28)]
    top = y + 25 - 7 * (len(lines) - 1)
    return "".join(
        f'<text class="name" x="0" y="{top + 14 * number}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )


def _x(moment: datetime) -> float:
    days = (moment.timestamp() - midnight(_FIRST).timestamp()) / 86_400  # Beijing knows no summer time
    return _LEFT + max(0.0, days) * _DAY
