"""Every road leads our client to the same rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from airflow_wechat.client.errors import (
    CheckAnswerError,
    FixCredentialsError,
    FixRequestError,
    RenewTokenError,
)
from airflow_wechat.client.options import OPTIONS, Options
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.client.token_sources import cloud_run
from airflow_wechat.sandbox import App, Sandbox
from airflow_wechat.sandbox.roads import ROADS
from client.sandboxed import DAILY, client_by, client_of

DAY = date(2024, 3, 13)  # its week and month are over as well, whenever this runs
TOKEN_PATH = "/_sandbox/token"
COMPONENT_TOKEN_PATH = "/_sandbox/component_token"
STABLE_PATH = "/cgi-bin/stable_token"
AUTHORIZER_PATH = "/cgi-bin/component/api_authorizer_token"
REPORT_PATHS = [report.path for report in REPORTS.values()]
CLOUD_PATHS = ["/tcb/invokecloudfunction"] * 3

# What a client asks that fetches each report once.
ASKED = {
    "stable": [STABLE_PATH, *REPORT_PATHS],
    "classic": ["/cgi-bin/token", *REPORT_PATHS],
    "supplied": REPORT_PATHS,
    "token_server": [TOKEN_PATH, *REPORT_PATHS],
    "authorizer": [AUTHORIZER_PATH, *REPORT_PATHS],
    "authorizer_by_server": [COMPONENT_TOKEN_PATH, AUTHORIZER_PATH, *REPORT_PATHS],
    "cloud_function": [STABLE_PATH, *CLOUD_PATHS],
    "cloud_run": REPORT_PATHS,
    "sealed": [STABLE_PATH, *REPORT_PATHS],
}

every_road = pytest.mark.parametrize("road", ROADS)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the shared classic token out of the machine's folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(cloud_run=True, sealed="optional") as running:
        yield running


@pytest.fixture(scope="module")
def sealed_sandbox() -> Iterator[Sandbox]:
    with Sandbox(cloud_run=True, sealed=True) as running:
        yield running


def rows_by(client: Any) -> list[dict[str, Any]]:
    rows = [client.fetch(report, report.granularity.period_of(DAY)) for report in REPORTS.values()]
    return [{**row, "fetched_at": None} for (row,) in rows]


@every_road
def test_every_road_leads_to_the_same_rows(sandbox, road):
    assert rows_by(client_by(road, sandbox)) == rows_by(client_of(sandbox))


@every_road
def test_every_road_leads_there_where_calls_must_be_sealed(sealed_sandbox, sandbox, road):
    assert rows_by(client_by(road, sealed_sandbox)) == rows_by(client_of(sandbox))


@every_road
def test_every_road_is_the_one_it_says(road):
    with Sandbox(cloud_run=True, sealed="optional") as sandbox:
        rows_by(client_by(road, sandbox))

        assert Counter(request.path for request in sandbox.requests) == Counter(ASKED[road])


@every_road
def test_every_road_is_tried_before_it_is_taken(sandbox, road):
    client_by(road, sandbox).check_credentials()


@every_road
def test_a_connection_has_an_app_secret_only_where_the_road_needs_one(sandbox, road):
    connection = sandbox.connection_of(sandbox.app, road)

    assert ("password" in connection) is (road in {"stable", "classic", "cloud_function", "sealed"})


@every_road
def test_a_connection_is_one_of_texts_with_options_that_there_are(sandbox, road):
    connection = sandbox.connection_of(sandbox.app, road)

    assert all(isinstance(value, str) for value in connection.values())
    extra = json.loads(connection.get("extra", "{}"))
    assert extra == ROADS[road](sandbox, sandbox.app)
    assert extra.keys() <= OPTIONS.keys()
    assert Options.read(extra)


def test_every_token_source_and_route_has_its_road(sandbox):
    taken = [Options.read(ROADS[road](sandbox, sandbox.app)) for road in ROADS]

    for chooser in ("token_source", "route"):
        assert {options[chooser] for options in taken} == set(OPTIONS[chooser].choices)


def test_the_usual_road_is_the_one_of_the_connection(sandbox):
    assert sandbox.connection_of(sandbox.app, "stable") == sandbox.connection


@pytest.mark.parametrize("road", ["", "wechat", "Stable"])
def test_a_road_that_there_is_not_is_named_with_those_there_are(sandbox, road):
    with pytest.raises(ValueError, match=f"road '{road}' is not allowed: give stable, classic, .*, sealed"):
        sandbox.connection_of(sandbox.app, road)


def test_each_app_has_roads_of_its_own_but_the_container_is_the_first_ones():
    apps = (App("wx1111111111111111", "one"), App("wx2222222222222222", "two"))
    with Sandbox(apps=apps, sealed="optional") as sandbox:
        for road in ROADS.keys() - {"stable", "classic", "cloud_function", "cloud_run"}:
            extras = [ROADS[road](sandbox, app) for app in apps]
            assert extras[0] != extras[1] or road == "authorizer"

        with pytest.raises(ValueError, match="'cloud_run' leads to wx1111111111111111 only, not to wx2"):
            sandbox.connection_of(apps[1], "cloud_run")


# What our client makes of refusals


def fetch_day(client: Any) -> list[dict[str, Any]]:
    return client.fetch(DAILY, DAILY.granularity.period_of(DAY))


@pytest.mark.parametrize(
    "road", ["stable", "classic", "token_server", "authorizer", "cloud_function", "sealed"]
)
def test_our_client_overcomes_ended_tokens_on_every_road_that_gives_new_ones(sandbox, road):
    client = client_by(road, sandbox)
    fetch_day(client)

    sandbox.end_tokens()

    assert fetch_day(client)


def test_a_supplied_token_that_has_ended_is_the_persons_to_replace(sandbox):
    client = client_by("supplied", sandbox)
    sandbox.end_tokens()

    with pytest.raises(RenewTokenError, match="put a token that is good into access_token"):
        fetch_day(client)


def test_a_wrong_key_for_the_token_server_is_no_token(sandbox):
    url = f"{sandbox.url}{TOKEN_PATH}?app={sandbox.app.app_id}&key=wrong-key"

    with pytest.raises(CheckAnswerError, match="HTTP 403 Forbidden, expected 200") as caught:
        fetch_day(client_by("token_server", sandbox, token_url=url))
    assert "wrong-key" not in str(caught.value)


def test_a_component_token_that_has_ended_is_replaced_by_the_token_server():
    with Sandbox() as sandbox:
        client = client_by("authorizer_by_server", sandbox)
        fetch_day(client)
        sandbox.change("component_access_token")
        sandbox.end_tokens()

        assert fetch_day(client)
        answered = [request.answered for request in sandbox.requests if request.path == AUTHORIZER_PATH]

    assert answered == [0, 40001, 0]


def test_a_component_token_that_has_ended_in_the_connection_is_the_persons_to_replace():
    with Sandbox() as sandbox:
        client = client_by("authorizer", sandbox)
        sandbox.change("component_access_token")

        with pytest.raises(RenewTokenError, match="put a token that is good into component_access_token"):
            fetch_day(client)


def test_outside_cloud_run_a_call_without_a_token_is_refused():
    with Sandbox() as sandbox, pytest.raises(RenewTokenError, match="refuses a call with token_source=none"):
        fetch_day(client_by("cloud_run", sandbox))


def test_inside_cloud_run_the_token_in_the_file_counts_and_is_read_again(tmp_path, monkeypatch):
    file = tmp_path / "cloudbase_access_token"
    monkeypatch.setattr(cloud_run, "TOKEN_FILE", file)
    with Sandbox() as sandbox:
        file.write_text(sandbox.cloudbase_access_token)
        client = client_by("cloud_run", sandbox)
        fetch_day(client)
        sandbox.change("cloudbase_access_token")
        with pytest.raises(RenewTokenError):
            fetch_day(client)

        file.write_text(sandbox.cloudbase_access_token)

        assert fetch_day(client)
        assert [request.answered for request in sandbox.requests] == [0, 40001, 0]


@pytest.mark.parametrize("changes", [{"cloud_env": "other-env"}, {"cloud_function_name": "other"}])
def test_an_environment_or_function_that_there_is_not_is_named(sandbox, changes):
    with pytest.raises(FixRequestError, match="correct cloud_env and cloud_function_name"):
        fetch_day(client_by("cloud_function", sandbox, **changes))


def test_a_wrong_refresh_token_needs_a_new_authorisation(sandbox):
    with pytest.raises(FixCredentialsError, match=r"61023.*authorise the platform again"):
        fetch_day(client_by("authorizer", sandbox, authorizer_refresh_token="refreshtoken@@@of-yesterday"))
