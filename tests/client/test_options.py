from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from airflow_wechat.client.options import OPTIONS, SEALING, Options
from fuzzing import any_text, expect_ours, fuzzed, json_values

SUPPLIED = {"token_source": "supplied", "access_token": "68_token"}
SERVED = {"token_source": "supplied", "token_url": "https://tokens.example/wechat"}
AUTHORIZER = {
    "token_source": "authorizer",
    "component_appid": "wxplatform",
    "component_access_token": "the-component-token",
    "authorizer_refresh_token": "the-refresh-token",
}
CLOUD = {"route": "cloud_function", "cloud_env": "prod-1"}
SEALED = dict.fromkeys(SEALING, "something")


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"token_source": "stable"},
        {"token_source": " classic "},
        SUPPLIED,
        SERVED,
        SERVED | {"token_path": "data.token", "expires_path": "data.end"},
        AUTHORIZER,
        AUTHORIZER | {"component_access_token": "", "token_url": "https://tokens.example"},
        {"token_source": "none"},
        CLOUD,
        CLOUD | AUTHORIZER,
        CLOUD | {"cloud_function_name": "mine"},
        SEALED,
        SEALED | SUPPLIED,
        {"timeout": 5},
        {"timeout": "5.5"},
        {"timeout": ""},
        {"timeout": "  "},
        {"timeout": 0.5},
        {"timeout": 86_400},
        {"token_name": "alike, but another's"},
        dict.fromkeys(OPTIONS),
        dict.fromkeys(OPTIONS, ""),
        {"somebody_elses": [1], "__extra__": {}},
    ],
)
def test_what_fits_together_is_accepted(extra: dict[str, Any]) -> None:
    options = Options.read(extra)

    texts = {name: str(value or "").strip() for name, value in extra.items() if name in OPTIONS}
    assert options.given == {name: text for name, text in texts.items() if text}


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"token_source": "stabel"}, "token_source='stabel' is not allowed: give stable, classic"),
        ({"route": "http"}, "route='http' is not allowed: give https, cloud_function"),
        ({"token_source": "supplied"}, "token_source=supplied needs access_token or token_url"),
        (SUPPLIED | SERVED, "takes only one of access_token and token_url: remove the other"),
        ({"access_token": "t"}, "access_token is for token_source=supplied, not stable"),
        (
            {"token_source": "none", "access_token": "t"},
            "access_token is for token_source=supplied, not none",
        ),
        ({"token_url": "https://t"}, "token_url is for token_source=supplied or authorizer, not stable"),
        (SUPPLIED | {"token_path": "a"}, "token_path needs token_url as well"),
        (AUTHORIZER | {"component_appid": " "}, "token_source=authorizer needs component_appid"),
        (AUTHORIZER | {"authorizer_refresh_token": None}, "needs authorizer_refresh_token"),
        (AUTHORIZER | {"component_access_token": ""}, "needs component_access_token or token_url"),
        (AUTHORIZER | {"token_url": "https://t"}, "takes only one of component_access_token and token_url"),
        (
            SUPPLIED | {"component_appid": "wx2"},
            "component_appid is for token_source=authorizer, not supplied",
        ),
        ({"cloud_env": "e"}, "cloud_env is for route=cloud_function, not https"),
        ({"route": "cloud_function"}, "route=cloud_function needs cloud_env"),
        (CLOUD | SEALED, "is for route=https, not cloud_function"),
        ({"sym_key": "k"}, "sym_key needs sym_sn and private_key and certificate and certificate_sn as well"),
        (SEALED | {"certificate": ""}, "needs certificate as well"),
        ({"timeout": 0}, "timeout=0 is not allowed: give a number above 0"),
        ({"timeout": True}, "timeout=True is not allowed"),
        ({"timeout": "soon"}, "timeout='soon' is not allowed"),
        ({"timeout": 1e10}, "at most 86400"),
        ({"Token_Source": "classic"}, "'Token_Source' is no option: write token_source"),
        ({"ROUTE": "https"}, "'ROUTE' is no option: write route"),
        ({"extra__wechat__sym_key": "k"}, "'extra__wechat__sym_key' is no option: write sym_key"),
        ({"proxy": 3128}, "proxy is int, expected a text"),
        ({"token_source": ["stable"]}, "token_source is list, expected a text"),
        ({"tokensource": "stable"}, "'tokensource' is no option: write token_source"),
        ({"acces_token": "68_token"}, "'acces_token' is no option: write access_token"),
        ({"token_source": "supplied", "access_token": "\ud800"}, "access_token holds half a character"),
        (None, "Extra is NoneType, expected a JSON object"),
        ([1], "Extra is list, expected a JSON object"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_fields_name(extra: Any, words: str) -> None:
    with pytest.raises(ValueError, match="the connection's Extra") as caught:
        Options.read(extra)

    assert words in str(caught.value)


def test_what_is_given_goes_before_the_default() -> None:
    options = Options.read(SERVED | {"timeout": 5, "token_path": "data.token"})

    assert (options["token_source"], options["timeout"]) == ("supplied", "5")
    assert (options["token_path"], options["expires_path"]) == ("data.token", "expires_in")


def test_what_is_not_given_has_its_default() -> None:
    options = Options.read({})

    assert (options["token_source"], options["route"], options["timeout"]) == ("stable", "https", "30")
    assert (options["token_path"], options["expires_path"]) == ("access_token", "expires_in")
    assert options["proxy"] == ""
    assert "proxy" not in options


def test_the_repr_tells_no_value() -> None:
    assert "68_token" not in repr(Options.read(SUPPLIED))


choices = st.sampled_from([choice for option in OPTIONS.values() for choice in option.choices])
extras = st.dictionaries(
    st.sampled_from(list(OPTIONS)) | any_text, st.none() | choices | any_text | json_values, max_size=6
)


@fuzzed("any JSON as a connection's Extra: read as it is, or refused", extras | json_values)
def test_anything_is_either_read_or_refused(extra: Any) -> None:
    try:
        options = Options.read(extra)
    except ValueError as error:
        expect_ours(error, ValueError, longest=500)
        return

    assert options.given == {name: str(extra[name]).strip() for name in OPTIONS if name in options}
    assert all(text.encode() for text in options.given.values())


SECRETS = [name for name, option in OPTIONS.items() if option.secret]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("wrong", [["CANARY"], {"CANARY": 1}])
def test_no_refusal_repeats_a_secret(name: str, wrong: Any) -> None:
    for value in ("CANARY", wrong):
        for source in ("stable", "supplied", "authorizer", "none"):
            with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are another test's
                Options.read({"token_source": source, name: value, "timeout": 0})

            assert "CANARY" not in str(caught.value)
