from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from airflow_wechat.sandbox import Sandbox
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
