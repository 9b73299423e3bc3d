from __future__ import annotations

import base64
import html
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from airflow_wechat.client.secret import Secret, hide, is_sendable, secrets_in


def test_a_secret_of_eight_characters_is_one_and_a_shorter_one_would_garble_answers() -> None:
    assert secrets_in([Secret("12345678"), Secret("1234567"), "no-secret-at-all", 7, None]) == ["12345678"]


@pytest.mark.parametrize("written", ["密钥", "%E5%AF%86%e9%92%a5", r"\u5bc6\u94a5", r"密\u94A5"])
def test_a_character_of_several_bytes_is_hidden_however_it_is_written(written: str) -> None:
    assert hide(f"<{written}>".encode(), ["密钥"]) == b"<***>"


SECRET = "a+b/ c%d=e&f<g>h\"i'j-and-more"


@pytest.mark.parametrize(
    "write",
    [
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: quote(quote(text, safe=""), safe="").lower(),
        lambda text: quote(quote_plus(text), safe=""),
        html.escape,
        lambda text: html.escape(text, quote=False),
        lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    ],
    ids=[
        "percent twice",
        "percent twice, small",
        "a form's, percent",
        "HTML",
        "HTML, no quotes",
        "HTML, another",
    ],
)
def test_a_secret_is_hidden_in_whatever_form_it_is_sent_back(write: Callable[[str], str]) -> None:
    assert hide(f"no {write(SECRET)}!".encode(), [SECRET]) == b"no ***!"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", range(3))
def test_in_base64_no_part_of_a_secret_is_left_that_could_be_read(
    before: int, encode: Callable[[bytes], bytes]
) -> None:
    written = encode(b"xyz"[:before] + SECRET.encode() + b"and more")

    left, right = hide(b"<" + written + b">", [SECRET]).split(b"***")

    assert len(left) <= len("<") + 3  # of which none has a whole byte of the secret
    assert len(right) <= len("d_and_more__>") + 3


def test_a_plus_stands_for_a_blank_and_for_nothing_else() -> None:
    assert hide(b"a+c", ["a c"]) == b"***"
    assert hide(b"a+c", ["abc"]) == b"a+c"


@pytest.mark.parametrize(
    ("text", "sendable"),
    [("68_token", True), ("密钥 😀", True), ("", False), ("\ud800", False), ("68_\udc80", False)],
)
def test_what_is_no_whole_text_cannot_be_sent(text: str, sendable: bool) -> None:
    assert is_sendable(text) is sendable
