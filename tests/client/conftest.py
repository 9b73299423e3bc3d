from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from airflow_wechat.client.sealing import Sealer
from airflow_wechat.sandbox import Sandbox
from canaries import Canaries
from client.guarded import GuardedSandbox, Told, guarded_sandbox, listening
from client.sandboxed import Caller, HandClock
from client.scripted import ScriptedServer, serving

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own proxies and certificates out of the tests."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}:
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted WeChat."""
    with serving() as running:
        yield running


@pytest.fixture
def clock() -> HandClock:
    """The sandbox's clock, to be set by hand."""
    return HandClock()


@pytest.fixture
def sandbox(clock: HandClock) -> Iterator[Sandbox]:
    """A sandbox with WeChat's own rules."""
    with Sandbox(clock=clock) as running:
        yield running


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    """Asks the sandbox over HTTP."""
    return Caller(sandbox)


@pytest.fixture
def machines_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock of the machine, but not WeChat's, so many seconds wrong."""
    right = time.time
    defaults = Sealer.__init__.__kwdefaults__ | {"now": lambda: time.time()}  # noqa: PLW0108 - as it is then
    monkeypatch.setattr(Sealer.__init__, "__kwdefaults__", defaults)
    return lambda seconds: monkeypatch.setattr(time, "time", lambda: right() + seconds)


@pytest.fixture
def canaries() -> Canaries:
    """Secrets that would be seen wherever they are told."""
    return Canaries()


@pytest.fixture
def guarded(canaries: Canaries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GuardedSandbox]:
    """A sandbox all of whose secrets are canaries."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with guarded_sandbox(canaries, monkeypatch, tmp_path) as running:
        yield running


@pytest.fixture
def told(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Told]:
    """Listen to all that is told of them."""
    with listening(canaries, monkeypatch, capfd, tmp_path) as running:
        yield running
