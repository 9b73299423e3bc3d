"""An Airflow with some months of visit trends, and a browser that is logged in to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import which
from typing import Any

import psycopg2
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from wechat_names import SQL_CONN_ID, TABLES, WECHAT_CONN_ID

from airflow_wechat.client.periods import BEIJING
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.sandbox import App, Sandbox
from e2e.live_airflow import LiveAirflow

DAILY = TABLES["daily_visit_trend"]
DAYS = 100
VIEWER = "viewer"
_TARGET = "target"
_DAGS = Path(__file__).parents[2] / "dags"


def chromium() -> str | None:
    """Return the browser of this machine, if it has one."""
    return which("chromium") or which("chromium-browser") or which("google-chrome")


@dataclass
class Site:
    """The Airflow, what it has landed, and the browser."""

    airflow: LiveAirflow
    sandbox: Sandbox
    browser: Browser

    def select(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the database that the page reads."""
        uri = self.airflow.postgres.uri(_TARGET)
        with closing(psycopg2.connect(uri)) as target, target, target.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def delete(self, days: Sequence[date]) -> None:
        """Take days out of the table, as if they had never landed."""
        self.select(f"DELETE FROM {DAILY} WHERE period_start = ANY(%s)", list(days))

    @contextmanager
    def logged_in(self, user: str = LiveAirflow.user, **options: Any) -> Iterator[BrowserContext]:
        """Give a browser's session of a user; English, light, at a desk, where not said otherwise."""
        usual = {"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, "accept_downloads": True}
        passwords = json.loads((self.airflow.home / "passwords.json").read_text())
        with closing(self.browser.new_context(**{**usual, **options})) as session:
            page = session.new_page()
            page.goto(f"{self.airflow.url}/")
            page.get_by_label("Username").fill(user)
            page.get_by_label("Password").fill(passwords[user])
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{self.airflow.url}/")
            page.close()
            yield session

    def open(self, session: BrowserContext) -> Page:
        """Open the page at its own address, and wait until it shows numbers."""
        page = session.new_page()
        page.goto(f"{self.airflow.url}/wechat-trends/")
        page.locator(".card").first.wait_for()
        return page


@contextmanager
def trends_site(home: Path, app: App, prefix: str = "") -> Iterator[Site]:
    """Run Airflow behind a prefix with a sandbox, a database and a browser, and land the last months.

    :param app: whose months
    """
    settings = {
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{LiveAirflow.user}:admin,{VIEWER}:viewer",
        "WECHAT__TRENDS_SQL_CONN_ID": SQL_CONN_ID,
        "API__BASE_URL": f"http://127.0.0.1:{{api}}{prefix}",
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{{api}}{prefix}/execution/",
    }
    with (
        Sandbox(publish_hour=0, apps=(app,)) as sandbox,
        LiveAirflow(home, [_DAGS], settings, prefix=prefix) as airflow,
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])) as browser,
    ):
        server = airflow.postgres
        server.create_database(_TARGET)
        where = {"host": server.host, "port": server.port, "schema": _TARGET}
        login = {"login": server.user, "password": server.password}
        airflow.api.add_connection(WECHAT_CONN_ID, sandbox.connection)
        airflow.api.add_connection(SQL_CONN_ID, {"conn_type": "postgres", **where, **login})
        airflow.wait_for_dags("wechat_load_range", *TABLES.values())
        _land(airflow)
        yield Site(airflow, sandbox, browser)


def yesterday() -> date:
    """Return the newest day that is over in Beijing."""
    return datetime.now(UTC).astimezone(BEIJING).date() - timedelta(days=1)


def _land(airflow: LiveAirflow) -> None:
    airflow.api.unpause("wechat_load_range")
    for report in REPORTS.values():
        period_of = report.granularity.period_of
        last = period_of(yesterday() + timedelta(days=1)).earlier(1)
        conf = {
            "report": report.name,
            "begin_date": str(period_of(yesterday() - timedelta(days=DAYS - 1)).start),
            "end_date": str(last.end),
        }
        run_id = airflow.api.trigger("wechat_load_range", conf)
        assert airflow.wait_for_run("wechat_load_range", run_id)["state"] == "success"
