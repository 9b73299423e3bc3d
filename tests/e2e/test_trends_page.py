"""The page with the trends, in a real browser: its numbers are the table's, and its gaps can be filled."""

from __future__ import annotations

import csv
import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect
from wechat_names import TABLES

from airflow_wechat.client.reports import REPORTS
from airflow_wechat.sandbox import App
from airflow_wechat.sandbox.rules import DEFAULT_APP
from airflow_wechat.trends.application import ROUTES
from e2e.searched import forms_of, secrets_of
from e2e.trends_site import DAILY, VIEWER, chromium, trends_site, yesterday
from needed_servers import need

FIELDS = [field.name for field in REPORTS["daily_visit_trend"].fields]

# With SCREENSHOTS=docs/images these tests draw the pictures of the documentation anew.
PICTURES = os.environ.get("SCREENSHOTS")


@pytest.fixture(scope="module")
def site(tmp_path_factory, canaries):
    need(chromium(), "chromium")
    home, app = tmp_path_factory.mktemp("trends") / "airflow", App(DEFAULT_APP.app_id, canaries("secret"))
    with trends_site(home, app, prefix="/team/airflow") as running:
        yield running


@pytest.fixture
def session(site):
    with site.logged_in() as running:
        yield running


@pytest.fixture
def page(site, session):
    return site.open(session)


@pytest.fixture
def gap(site):
    """Four days that have not landed, some weeks ago; afterwards they are there again."""
    days = [yesterday() - timedelta(days=number) for number in (23, 22, 21, 20)]
    rows = site.select(f"SELECT * FROM {DAILY} WHERE period_start = ANY(%s)", days)
    site.delete(days)
    yield days
    site.delete(days)
    for row in rows:
        site.select(f"INSERT INTO {DAILY} VALUES ({', '.join(['%s'] * len(row))})", *row)


def picture(page, name, **options):
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", **options)


def drawn(page):
    """Return what the chart holds: each curve's values by the names of its periods."""
    script = "() => document.getElementById('chart').data.map(one => [one.name, one.x, one.y])"
    return {name: dict(zip(x, y, strict=True)) for name, x, y in page.evaluate(script)}


def choose(page, **choices):
    for name, value in choices.items():
        page.locator(f"#{name}").select_option(value)
    page.wait_for_load_state("networkidle")


def test_the_menu_opens_the_page_inside_the_ui(site, session):
    page = session.new_page()
    page.goto(f"{site.airflow.url}/")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="WeChat Trends").click()

    frame = page.frame_locator("iframe")
    expect(frame.locator(".card")).to_have_count(len(FIELDS))
    expect(frame.locator("#chart .trace.scatter")).to_have_count(2)
    picture(page, "trends-in-ui")


def test_the_chart_shows_the_numbers_of_the_table(site, page):
    choose(page, range="all")

    rows = site.select(f"SELECT period_start::text, visit_pv, visit_uv FROM {DAILY} ORDER BY 1")
    assert len(rows) > 90
    assert drawn(page) == {
        "Visits": {day: visits for day, visits, _ in rows},
        "Visitors": {day: visitors for day, _, visitors in rows},
    }


@pytest.mark.parametrize("report", TABLES)
def test_the_newest_period_stands_against_the_one_before(site, page, report):
    choose(page, report=report)

    (now, end, new), (before, before_end, old) = site.select(
        f"SELECT period_start, period_end, visit_uv FROM {TABLES[report]} ORDER BY 1 DESC LIMIT 2"
    )
    named = [f"{a}" if a == b else f"{a} – {b}" for a, b in ((now, end), (before, before_end))]
    expect(page.locator("#latest-title")).to_have_text(f"Latest: {named[0]}, against {named[1]}")
    card = page.locator("[data-measure=visit_uv]")
    expect(card.locator("strong")).to_have_text(f"{new:,}")
    expect(card.locator(".before")).to_have_text(f"before: {old:,}")
    expect(card.locator(".change")).to_have_text(f"{100 * (new / old - 1):+.1f}%")


def test_measures_of_other_units_get_panels_of_their_own(page):
    page.locator("[data-measure=visit_depth]").click()
    page.locator("[data-measure=stay_time_uv]").click()

    assert set(drawn(page)) == {"Visits", "Visitors", "Stay of a visitor", "Depth"}
    axes = "() => document.getElementById('chart').data.map(one => one.yaxis)"
    assert page.evaluate(axes) == ["y", "y", "y2", "y3"]


def test_a_gap_breaks_the_curve_and_is_marked_in_the_calendar(page, gap):
    page.reload()
    page.locator(".card").first.wait_for()

    visits = drawn(page)["Visits"]
    assert not {str(day) for day in gap} & set(visits)
    assert [day for day, value in visits.items() if value is None] == [str(gap[0] - timedelta(days=1))]
    marked = page.locator("#calendar .cell.missing")
    assert sorted(cell.get_attribute("data-start") for cell in marked.all()) == [str(day) for day in gap]
    expect(page.locator("#gaps-title")).to_have_text("4 missing")


def test_a_gap_is_clicked_and_filled(site, page, gap):
    site.airflow.api.pause(DAILY)
    page.reload()
    page.locator("#calendar .cell.missing").first.click()
    expect(page.locator("#fill-plan")).to_contain_text(f"{DAILY} is paused")
    page.get_by_role("button", name="Unpause it").click()
    start = page.get_by_role("button", name="Start the backfill")
    start.wait_for(timeout=60_000)
    picture(page, "trends-gap", full_page=True)
    start.click()

    expect(page.locator("#fill-told")).to_have_text("Done: all 4 have landed.", timeout=120_000)
    expect(page.locator("#gaps-title")).to_have_text("Nothing is missing in this range.")
    assert {str(day) for day in gap} <= set(drawn(page)["Visits"])
    filled = site.select(f"SELECT period_start FROM {DAILY} WHERE period_start = ANY(%s) ORDER BY 1", gap)
    assert [day for (day,) in filled] == gap
    runs = [run for run in site.airflow.api.runs(DAILY) if run["run_type"] == "backfill"]
    assert len(runs) == len(gap)


def test_while_a_backfill_is_under_way_the_page_waits_for_its_end(site, page, gap):
    site.airflow.api.unpause(DAILY)
    days = 30
    site.airflow.wait(lambda: all(one["completed_at"] for one in site.airflow.api.backfills(DAILY)), "ended")
    site.airflow.api.create_backfill(
        DAILY,
        yesterday() - timedelta(days=80 + days),
        yesterday() - timedelta(days=80),
        reprocess_behavior="completed",
        max_active_runs=1,
    )
    page.reload()
    page.locator(".gaps button").first.click()

    expect(page.locator("#fill-plan")).to_contain_text("is under way already")
    page.get_by_role("button", name="Start the backfill").wait_for(timeout=180_000)


def plan_of(dag_id):
    moments = {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}
    backfill = {"dag_id": dag_id, **moments, "reprocess_behavior": "completed"}
    told = {"paused": False, "schedule": "each day", "dates_are_sure": True, "may_fill": True}
    return {"dag_id": dag_id, **told, "backfill": backfill}


def test_a_dag_that_is_no_longer_chosen_is_not_acted_on(page, gap):
    """The first of two is under way, so that its panel looks again every two seconds."""
    started = []

    def answer(route):
        if route.request.method == "POST":
            started.append(route.request.post_data_json["dag_id"])
            route.fulfill(status=409, json={"detail": "busy"})
        else:
            under_way = "dag_id=first_dag" in route.request.url
            route.fulfill(json={"backfills": [{"completed_at": None}] if under_way else []})

    plans = [plan_of("first_dag"), plan_of("second_dag")]
    page.route("**/api/plans?*", lambda route: route.fulfill(json=plans))
    page.route("**/api/v2/backfills*", answer)
    page.reload()
    page.locator(".gaps button").first.click()
    expect(page.locator("#fill-plan")).to_contain_text("is under way already")
    expect(page.locator("#fill")).to_contain_text("2 DAGs are tagged with this report")

    page.locator("#fill-dag").select_option("second_dag")
    start = page.get_by_role("button", name="Start the backfill")
    start.wait_for()
    page.wait_for_timeout(4_500)  # longer than the first one's panel waits
    start.click()

    expect(page.locator("#fill-plan .warning")).to_have_text("Airflow refused: busy")
    assert started == ["second_dag"]


def test_a_viewer_sees_the_numbers_and_is_told_that_they_may_not_fill(site, gap):
    with site.logged_in(VIEWER) as session:
        page = site.open(session)
        page.locator(".gaps button").first.click()
        expect(page.locator("#fill-plan")).to_contain_text(f"You may not start runs of {DAILY}")


def test_what_is_shown_is_saved_as_csv_and_png(site, page):
    choose(page, range="all")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text())))
    table = site.select(f"SELECT period_start::text, visit_pv, stay_time_uv FROM {DAILY} ORDER BY 1")
    assert [(row["period_start"], int(row["visit_pv"]), float(row["stay_time_uv"])) for row in rows] == table

    with page.expect_download() as saved:
        page.get_by_role("button", name="PNG").click()
    assert saved.value.path().read_bytes().startswith(b"\x89PNG")


def test_the_frame_lets_save_as_well_and_names_the_pages_own_address(site, session):
    page = session.new_page()
    page.goto(f"{site.airflow.url}/plugin/wechat-trends")
    frame = page.frame_locator("iframe")
    frame.locator(".card").first.wait_for()
    with page.expect_download() as saved:
        frame.get_by_role("button", name="PNG").click()

    assert saved.value.path().read_bytes().startswith(b"\x89PNG")
    expect(frame.locator("#frame-note code")).to_have_text(f"{site.airflow.url}/wechat-trends/")


def test_in_the_dark_in_chinese_and_on_a_phone_it_is_the_same_page(site):
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    with site.logged_in(locale="zh-CN", color_scheme="dark", **phone) as session:
        page = site.open(session)

        expect(page.locator("h1")).to_have_text("微信访问趋势")
        assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
        assert set(drawn(page)) == {"访问次数", "访问人数"}
        assert page.evaluate("() => document.scrollingElement.scrollWidth <= window.innerWidth")
        picture(page, "trends-phone")


def test_it_follows_the_theme_of_the_ui_around_it(site, session):
    page = session.new_page()
    page.goto(f"{site.airflow.url}/plugin/wechat-trends")
    frame = page.frame_locator("iframe")
    frame.locator(".card").first.wait_for()
    for theme, other in (("dark", "light"), ("light", "dark")):
        page.evaluate(f"() => document.documentElement.classList.replace('{other}', '{theme}')")
        expect(frame.locator(f":root[data-theme={theme}]")).to_have_count(1)


def test_a_gap_is_reached_by_keyboard(page, gap):
    page.reload()
    page.locator(".gaps button").wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.matches('.gaps button')"):
            break
    page.keyboard.press("Enter")

    expect(page.locator("#fill")).to_be_visible()
    expect(page.locator("#fill h3")).to_have_text(f"Fill {gap[0]} – {gap[-1]}")
    assert page.evaluate("() => document.activeElement.id") == "fill"


def test_nothing_comes_from_elsewhere_and_no_secret_reaches_the_browser(site, session, canaries):
    page, asked, said = session.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda answer: said.append(answer.text()) if is_told(answer.url) else None)
    page.goto(f"{site.airflow.url}/wechat-trends/")
    page.locator(".card").first.wait_for()
    page.wait_for_load_state("networkidle")

    assert [url for url in asked if not url.startswith((site.airflow.url, "data:", "blob:"))] == []
    assert len(said) >= 4
    tokens = {call.query["access_token"] for call in site.sandbox.requests if "access_token" in call.query}
    secrets = {*canaries.planted, *secrets_of(site.sandbox), site.airflow.postgres.password}
    assert tokens and {site.sandbox.app.secret, *tokens} <= secrets
    assert not [form for form in forms_of(secrets) if any(form in text for text in said)]


def is_told(url):
    """Whether what is there was made for whoever asks: the page, and what it shows."""
    return "/api/" in url or url.endswith("/wechat-trends/")


@pytest.mark.parametrize("route", ROUTES)
def test_without_login_no_route_answers(site, route):
    path = route.format(name="page.js")
    query = "report=daily_visit_trend&app_id=x&begin=2026-01-01&end=2026-01-02"
    answer = requests.get(f"{site.airflow.url}/wechat-trends{path}?{query}", timeout=30)

    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}
