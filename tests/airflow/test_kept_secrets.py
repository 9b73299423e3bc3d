"""Secrets of a connection in Airflow's hands."""

from __future__ import annotations

import base64
import logging

import pytest

from airflow_wechat.client.options import Options
from airflow_wechat.client.secret import Secret
from airflow_wechat.hooks.kept_secrets import KeptRefreshToken

AUTHORIZER = {
    "token_source": "authorizer",
    "component_appid": "wxplatform",
    "component_access_token": "the-component-token",
    "authorizer_refresh_token": "the-first-refresh-token",
}


CHANGED = Secret("the-changed-refresh-token")


def kept_for(extra=AUTHORIZER) -> KeptRefreshToken:
    return KeptRefreshToken("wxone", Options.read(extra))


@pytest.fixture
def variables(monkeypatch):
    """Airflow's Variables: what is kept is there to be read."""
    kept = {}

    def keep(key: str, value: str, _: str) -> None:
        kept[key] = value
        monkeypatch.setenv(f"AIRFLOW_VAR_{key.upper()}", value)

    monkeypatch.setattr("airflow_wechat.hooks.kept_secrets.keep_variable", keep)
    return kept


def test_without_a_variable_the_connections_token_counts():
    assert kept_for().options()["authorizer_refresh_token"] == "the-first-refresh-token"


def test_a_kept_token_takes_the_place_of_the_one_it_replaced(variables):
    kept_for().keep(CHANGED)

    options = kept_for().options()

    assert options["authorizer_refresh_token"] == "the-changed-refresh-token"
    assert options["component_appid"] == "wxplatform"


def test_a_token_that_changes_again_takes_the_place_of_the_first_as_well(variables):
    kept_for().keep(CHANGED)
    kept_for().keep(Secret("the-third-refresh-token"))

    assert kept_for().options()["authorizer_refresh_token"] == "the-third-refresh-token"


def test_a_token_that_a_person_has_put_into_the_connection_counts_again(variables):
    kept_for().keep(CHANGED)

    options = kept_for(AUTHORIZER | {"authorizer_refresh_token": "a-newer-one"}).options()

    assert options["authorizer_refresh_token"] == "a-newer-one"


def test_the_variable_cannot_be_read_without_the_connection(variables):
    kept_for().keep(CHANGED)

    [value] = variables.values()
    assert not any(text in base64.urlsafe_b64decode(value) for text in (b"changed", b"first"))
    assert "changed" not in value


def test_the_variable_of_another_mini_program_is_not_taken(variables, monkeypatch):
    kept_for().keep(CHANGED)
    [value] = variables.values()
    monkeypatch.setenv("AIRFLOW_VAR_WECHAT_AUTHORIZER_REFRESH_TOKEN_WXPLATFORM_WXTWO", value)

    other = KeptRefreshToken("wxtwo", Options.read(AUTHORIZER))

    assert other.options()["authorizer_refresh_token"] == "the-first-refresh-token"


@pytest.mark.parametrize("value", ["", "{", "gAAAA", "日本"])
def test_a_variable_that_makes_no_sense_is_passed_over(monkeypatch, value):
    monkeypatch.setenv("AIRFLOW_VAR_WECHAT_AUTHORIZER_REFRESH_TOKEN_WXPLATFORM_WXONE", value)

    assert kept_for().options()["authorizer_refresh_token"] == "the-first-refresh-token"


def test_other_token_sources_ask_for_no_variable(variables):
    kept_for().keep(CHANGED)

    assert kept_for({}).options().given == {}


def test_a_token_that_cannot_be_kept_is_told_and_ends_nothing(caplog, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("no space for the-changed-refresh-token")

    monkeypatch.setattr("airflow_wechat.hooks.kept_secrets.keep_variable", full)

    with caplog.at_level(logging.DEBUG):
        kept_for().keep(CHANGED)

    assert (
        "could not be kept in the Variable wechat_authorizer_refresh_token_wxplatform_wxone (OSError)"
        in caplog.text
    )
    assert "the-changed" not in caplog.text
