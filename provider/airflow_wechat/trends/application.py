"""The page's web application: who asks is known to Airflow, and everything it gives is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep, get_user
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import FileResponse, JSONResponse

from airflow_wechat import filling
from airflow_wechat.client.periods import PeriodRange
from airflow_wechat.client.reports import REPORTS, Report
from airflow_wechat.trends import answers
from airflow_wechat.trends.permissions import may_fill, readable_dags, readable_reports
from airflow_wechat.trends.settings import settings
from airflow_wechat.trends.source import Problem, UnreadableError, read

_STATIC = Path(str(files("airflow_wechat.trends"))) / "static"
_PLOTLY = "plotly.min.js"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}

# The one style within the page is plotly's, empty when it is read: this is the hash of nothing.
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        f"style-src 'self' {_EMPTY_STYLE}; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_KEPT = {"Cache-Control": "private, max-age=86400"}


def create_application() -> FastAPI:
    """Build the application; each of its routes wants a user whom Airflow knows."""
    app = FastAPI(
        title="WeChat Trends",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(get_user)],
    )
    for path, answer in ROUTES.items():
        app.get(path)(answer)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=4)
    app.middleware("http")(_with_headers)
    app.exception_handler(UnreadableError)(_tell_problem)
    return app


async def _with_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _tell_problem(_: Request, error: UnreadableError) -> JSONResponse:
    return JSONResponse({"problem": error.problem, "detail": error.detail}, status_code=503)


def page() -> Response:
    """Return the page itself; all it needs it asks for."""
    return FileResponse(_STATIC / "index.html", media_type="text/html")


def file(name: str) -> Response:
    """Return one of the page's files; plotly's is that of the installed package."""
    known = _files()
    if name not in known:
        raise HTTPException(404, f"no file {name}")
    path = known[name]
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=_KEPT if name == _PLOTLY else None)


@cache
def _files() -> dict[str, Path]:
    own = {path.name: path for path in _STATIC.iterdir() if path.suffix in _TYPES}
    try:
        plotly = Path(str(files("plotly"))) / "package_data" / _PLOTLY
    except ModuleNotFoundError:
        return own
    return {**own, _PLOTLY: plotly}


def choices(user: GetUserDep) -> dict[str, Any]:
    """Return what can be chosen: reports with their apps, and measures."""
    reports = readable_reports(user)
    if not reports:
        raise UnreadableError(Problem.NO_DAG)
    where = settings()
    found = read(where, lambda table_of: {report.name: table_of(report).apps() for report in reports})
    if not any(found.values()):
        raise UnreadableError(Problem.EMPTY, ", ".join(map(where.table_of, reports)))
    return {
        "plotly": _PLOTLY in _files(),
        "reports": [
            {
                "name": report.name,
                "granularity": report.granularity,
                "measures": [{"name": field.name, "meaning": field.comment} for field in report.fields],
                "apps": [
                    {
                        "app_id": app_id,
                        "first": str(first),
                        "last": str(report.granularity.period_of(last).end),
                    }
                    for app_id, first, last in found[report.name]
                ],
            }
            for report in reports
        ],
    }


def report_of(user: GetUserDep, report: Annotated[str, Query()]) -> Report:
    """Return the report asked for.

    :raises HTTPException: 403 for one that the user may not see, or that is none
    """
    found = REPORTS.get(report)
    if found is None or found not in readable_reports(user):
        raise HTTPException(403, f"no DAG that you may read is tagged {report}")
    return found


ReportDep = Annotated[Report, Depends(report_of)]


def range_of(report: ReportDep, begin: date, end: date) -> PeriodRange:
    """Return the periods between two days, both included.

    :raises HTTPException: 422 for an end before its begin, and for a range that no page can show
    """
    if end < begin or (end - begin).days > answers.LONGEST_RANGE or end.year > _LAST_YEAR:
        raise HTTPException(
            422,
            f"begin={begin}, end={end}: give an end on or after the begin, at most {answers.LONGEST_RANGE:,} "
            f"days later",
        )
    period_of = report.granularity.period_of
    return PeriodRange(period_of(begin), period_of(end))


_LAST_YEAR = 9000

RangeDep = Annotated[PeriodRange, Depends(range_of)]
AppId = Annotated[str, Query(min_length=1, max_length=64)]


def trend(report: ReportDep, periods: RangeDep, app_id: AppId) -> Response:
    """Return the numbers of an app in a range."""
    wanted = app_id, periods.first.start, periods.last.start, answers.columns_of(report)
    rows = read(settings(), lambda table_of: table_of(report).read(*wanted))
    return JSONResponse(answers.trend(report, rows))


def coverage(report: ReportDep, periods: RangeDep, app_id: AppId) -> Response:
    """Return what of a range has landed."""
    stored = read(settings(), lambda table_of: table_of(report).stored_starts(app_id, periods.first.start))
    return JSONResponse(answers.coverage(report, periods, stored, datetime.now(UTC)))


def plans(user: GetUserDep, report: ReportDep, periods: RangeDep) -> list[dict[str, Any]]:
    """Return how each DAG of the report that the user may see fills a gap.

    :raises HTTPException: 422 for a gap so long that its runs cannot be counted while someone waits
    """
    if (periods.last.end - periods.first.start).days > answers.LONGEST_GAP:
        raise HTTPException(422, "a gap of more than ten years: choose a shorter range")
    now = datetime.now(UTC)
    return [
        answers.plan(filling.plan_of(report, [periods], dag, now), may_fill=may_fill(user, dag.dag_id))
        for dag in readable_dags(user, report)
    ]


ROUTES: dict[str, Callable[..., Any]] = {
    "/": page,
    "/files/{name}": file,
    "/api/choices": choices,
    "/api/trend": trend,
    "/api/coverage": coverage,
    "/api/plans": plans,
}
