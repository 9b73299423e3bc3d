"""The search for secrets finds them: in every form, wherever one is told."""

from __future__ import annotations

import base64
import html
import http.client
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from canaries import ODD, Canaries, everything_logged, files_with, shown, spelled_in, told
from client.scripted import ScriptedServer
from proof.figures import figure

PART = "secrets"
CONTROL = "negative control: the search finds a secret in each form, wherever it is told"

pytestmark = pytest.mark.quick_proof


def small(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), text)


def in_base64(before: int, encode: Callable[[bytes], bytes]) -> Callable[[str], str]:
    return lambda secret: encode(b"xyz"[:before] + secret.encode() + b"and more").decode()


WRITTEN: dict[str, Callable[[str], str]] = {
    "raw": lambda secret: secret,
    "quote": quote,
    "quote of everything": lambda secret: quote(secret, safe=""),
    "quote_plus": quote_plus,
    "quote, small": lambda secret: small(quote(secret, safe="")),
    "quote_plus, small": lambda secret: small(quote_plus(secret)),
    "quote of quote": lambda secret: quote(quote(secret, safe=""), safe=""),
    "JSON": json.dumps,
    "JSON, slashes escaped": lambda secret: json.dumps(secret).replace("/", "\\/"),
    "JSON for HTML": lambda secret: json.dumps(secret).replace("&", "\\u0026"),
    "JSON, code points": lambda secret: "".join(f"\\u{ord(char):04x}" for char in secret),
    "JSON, code points in capitals": lambda secret: "".join(f"\\u{ord(char):04X}" for char in secret),
    "HTML": html.escape,
    "hexadecimal": lambda secret: secret.encode().hex(),
    "its begin": lambda secret: secret[:20],
    "its middle": lambda secret: secret[25:-25],
    "its end": lambda secret: secret[-20:],
    "repr of bytes": lambda secret: repr(secret.encode()),
    **{
        f"{encode.__name__}, {before} before": in_base64(before, encode)
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
        for before in range(3)
    },
}
"""How others write a secret down; not how the search does."""


@pytest.fixture
def secret() -> str:
    return Canaries()("secret")


def test_it_finds_every_form(secret: str) -> None:
    with figure(
        PART, "negative control: the search finds a secret in each form, wherever it is told"
    ) as counted:
        for name, write in WRITTEN.items():
            with counted.trial(name):
                assert spelled_in(f"a line with {write(secret)} in it", secret)
                assert not spelled_in(f"a line with {write(Canaries()('another'))} in it", secret)


def test_it_finds_a_secret_in_each_place(
    secret: str, tmp_path: Path, server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def chained() -> str:
        error, cause = ValueError("nothing"), KeyError("nothing")
        cause.__context__ = OSError("hidden", secret)
        error.__cause__ = cause
        error.__suppress_context__ = True
        return told(error)

    def attached() -> str:
        error = ValueError("nothing")
        error.request = {"url": secret}  # type: ignore[attr-defined]
        return told(error)

    def logged() -> str:
        with everything_logged() as log:
            logging.getLogger("urllib3.connectionpool").debug("nothing", extra={"url": secret})
        return log.text

    def printed() -> str:
        connection = http.client.HTTPConnection(server.host)
        connection.set_debuglevel(1)
        connection.request("GET", f"/?{quote_plus(secret)}")
        connection.close()
        return capsys.readouterr().out

    def kept_in_a_file() -> str:
        (tmp_path / "a").write_text(quote_plus(secret))
        return secret if files_with(tmp_path, secret) == [tmp_path / "a"] else ""

    def in_a_files_name() -> str:
        (tmp_path / "a").unlink()
        (tmp_path / quote(secret, safe="")).touch()
        return secret if files_with(tmp_path, secret) else ""

    places = (
        chained,
        attached,
        logged,
        printed,
        kept_in_a_file,
        in_a_files_name,
        lambda: shown({"a": [secret]}),
    )
    with figure(
        PART, "negative control: the search finds a secret in each form, wherever it is told"
    ) as counted:
        for place in places:
            with counted.trial(place):
                assert spelled_in(place(), secret)


def test_a_canary_has_every_odd_character_at_both_ends(secret: str) -> None:
    assert all(char in secret[:16] and char in secret[-16:] for char in ODD)
    assert secret == secret.strip()
