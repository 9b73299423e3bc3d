"""A sandbox all of whose secrets are canaries, and what listens to all that is told about them."""

from __future__ import annotations

import base64
import html
import http.client
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from tenacity import wait_none

from airflow_wechat.client.assembly import client_from
from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.errors import WeChatError
from airflow_wechat.client.token_sources import cloud_run as cloud_run_token
from airflow_wechat.sandbox import App, cloud_run, component, tokens
from airflow_wechat.sandbox.calls import Call
from airflow_wechat.sandbox.roads import ROADS
from airflow_wechat.sandbox.rules import DEFAULT_APP
from canaries import Canaries, Everything, everything_logged, files_with, shown, spelled_in, told
from client.line_faults import PERIOD
from client.sandboxed import DAILY, settings_of
from client.troubled import TOKEN_PATHS, Answers, TroubledSandbox

TOKENLESS = {"supplied", "cloud_run"}
"""The roads on which nobody is asked for a token."""

PLACES = [
    (road, place)
    for road in ROADS
    for place in ("token", "report")
    if place == "report" or road not in TOKENLESS
]
"""Where an answer may go wrong on each road: there is none to a call that is not made."""

OWN_FOLDER = "airflow-wechat-"
"""How the folder is called in which a machine's workers share the classic token: the one exception."""


class GuardedSandbox(TroubledSandbox):
    """A sandbox that plants as a canary what is secret in a connection's Extra as well."""

    def __init__(self, canaries: Canaries, **options: Any) -> None:
        self.canaries = canaries
        app = App(DEFAULT_APP.app_id, canaries("secret"))
        usual = {"publish_hour": 0, "cloud_run": True, "sealed": "optional"}
        super().__init__(apps=(app,), **{**usual, **options})
        self.token_server.key = canaries("key")

    def connection_of(self, app: App, road: str = "stable") -> dict[str, str]:
        connection = super().connection_of(app, road)
        extra = json.loads(connection.get("extra", "{}"))
        lines = "\n".join(extra.get(name, "") for name in ("sym_key", "private_key")).splitlines()
        self.canaries.planted += [line for line in lines if len(line) > 16 and "PRIVATE KEY" not in line]
        return connection


def give_canaries(canaries: Canaries, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each token that a sandbox gives be a canary."""
    for module in (tokens, component, cloud_run):
        monkeypatch.setattr(module, "new_token", lambda: canaries("token"))
    monkeypatch.setattr(component, "_new_refresh_token", lambda: canaries("fresh"))


@contextmanager
def guarded_sandbox(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch, folder: Path, **options: Any
) -> Iterator[GuardedSandbox]:
    """Run a sandbox whose AppSecret, tokens and keys are canaries, wherever they come from."""
    give_canaries(canaries, monkeypatch)
    with GuardedSandbox(canaries, **options) as sandbox:
        file = folder / "cloudbase_access_token"
        file.write_text(sandbox.cloudbase_access_token)
        monkeypatch.setattr(cloud_run_token, "TOKEN_FILE", file)
        yield sandbox


QUICK = ("stable", "classic")
"""Roads that show much in a short time."""

every_road = pytest.mark.parametrize("road", ROADS)


def thoroughly(step: int, roads: Iterable[str] = ROADS) -> pytest.MarkDecorator:
    """Try everything on every road, or for a quick look one of so many on two of them."""
    quick = [pytest.param(road, step, marks=pytest.mark.quick_proof) for road in QUICK]
    every = [pytest.param(road, 1, marks=pytest.mark.proof) for road in roads]
    return pytest.mark.parametrize(("road", "step"), quick + every)


def some(things: Iterable[Any], road: str, step: int) -> list[Any]:
    """Return one of so many things, others on each road."""
    return list(things)[list(ROADS).index(road) % step :: step]


def ask(client: WeChatClient) -> tuple[Any, tuple[WeChatError, ...]]:
    """Ask for days, and give what came: rows, or an error."""
    try:
        return client.fetch(DAILY, PERIOD), ()
    except WeChatError as error:
        return None, (error,)


def only_at(place: str, answers: Answers) -> Answers:
    """Give answers only to calls for a token, or only to those for a report, as :data:`PLACES` names them."""
    return lambda call: answers(call) if (call.path in TOKEN_PATHS) is (place == "token") else None


def client_on(
    road: str, sandbox: TroubledSandbox, url: str, *, tries: int = 1, **changes: str
) -> WeChatClient:
    """Make the client of a road that leads over another address, a bad line's perhaps.

    :param changes: to the connection's Extra
    """
    connection = json.loads(json.dumps(sandbox.connection_of(sandbox.app, road)).replace(sandbox.url, url))
    return client_from(settings_of(connection, **changes), tries=tries, waits=wait_none())


class Told:
    """Keeps all that is logged, printed, raised and shown.

    :param printed: gives what was printed since it was last asked
    :param folder: with all files that may have been written
    """

    def __init__(self, canaries: Canaries, log: Everything, printed: Callable[[], str], folder: Path) -> None:
        self._canaries = canaries
        self.log = log
        self._printed = printed
        self._folder = folder

    def check(self, *things: object, errors: tuple[BaseException, ...] = (), heard: bool = True) -> None:
        """See that no canary is in what was told since the last time, nor in files, some things and errors.

        :param heard: whether something must have been logged: else the search would have nothing to search
        """
        said = [self.log.text, self._printed(), shown(*things), *map(told, errors)]
        assert not heard or self.log.lines, "nothing was logged"
        self.log.lines.clear()
        assert spelled_in("\n".join(said), *self._canaries.planted) == []
        assert files_that_tell(self._folder, self._canaries) == []


@contextmanager
def listening(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], folder: Path
) -> Iterator[Told]:
    """Listen to every logger at DEBUG, and let http.client print whatever it sends and gets.

    :param folder: in which files are searched as well
    """
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with everything_logged() as log:
        yield Told(canaries, log, lambda: "".join(capture.readouterr()), folder)


def files_that_tell(folder: Path, canaries: Canaries) -> list[Path]:
    """Return the files with a canary in them, but for the one in which workers share the classic token."""
    allowed = {"cloudbase_access_token"}  # the platform's own
    return [
        file
        for file in files_with(folder, *canaries.planted)
        if file.name not in allowed and not file.parent.name.startswith(OWN_FOLDER)
    ]


_WRITTEN: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    html.escape,
    lambda text: base64.b64encode(text.encode()).decode(),
)


def _sent(call: Call) -> list[str]:
    """All that a call has sent, as it was and encoded."""
    body = json.loads(call.body) if call.body else {}
    texts = [*call.query.values(), *(text for text in body.values() if isinstance(text, str))]
    return [write(text) for text in texts for write in _WRITTEN]


def _all_sent(call: Call) -> str:
    return " ".join(_sent(call))


def _url(call: Call) -> str:
    return call.path + "?" + "&".join(f"{name}={quote_plus(text)}" for name, text in call.query.items())


def refused(errcode: int, call: Call) -> dict[str, Any]:
    """Refuse a call, with all that it has sent in WeChat's words."""
    return {"errcode": errcode, "errmsg": f"no {_all_sent(call)} {_url(call)} rid: 1-2-3"}


ECHOES: dict[str, Callable[[Call], Any]] = {
    "in errcode": lambda call: {"errcode": _all_sent(call)},
    "as names": lambda call: dict.fromkeys(_sent(call), 1),
    "as ref_date": lambda call: {"list": [{"ref_date": text} for text in _sent(call)[:1]]},
    "as a number": lambda call: {"list": [{"session_cnt": text} for text in _sent(call)[:1]]},
    "as a token's end": lambda call: {"access_token": "x" * 40, "expires_in": _all_sent(call)},
    "in HTML": lambda call: f"<html>Bad request: {_url(call)} {_all_sent(call)}".encode(),
    "in HTML, cut off": lambda call: f"<html>Bad: {_url(call)}".encode()[:-9],
    "in JSON, cut off": lambda call: json.dumps({"errmsg": _url(call)}).encode()[:-9],
    "as a token, cut off": lambda call: json.dumps(
        {"access_token": max(_sent(call)[:: len(_WRITTEN)])}
    ).encode()[:-9],
    "in an array": _sent,
}
"""What a server may make of all that it is sent; sent back as it is, or encoded."""
