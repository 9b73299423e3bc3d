"""One small Airflow for the smoke test, with two sandboxes: one has published, the other's clock is set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.control import clock_from
from smoke.small_airflow import SmallAirflow

EARLY = datetime.fromisoformat("2026-01-06T05:00:00+08:00")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A WeChat that publishes at midnight."""
    with Sandbox(publish_hour=0) as running:
        yield running


@pytest.fixture(scope="session")
def other_sandbox() -> Iterator[Sandbox]:
    """Another that publishes at midnight."""
    with Sandbox(publish_hour=0) as running:
        yield running


@pytest.fixture(scope="session")
def late_sandbox() -> Iterator[Sandbox]:
    """A WeChat that publishes at 10:00, five hours before it does so."""
    with Sandbox(publish_hour=10, clock=clock_from(EARLY)) as running:
        yield running


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory,
    sandbox: Sandbox,
    other_sandbox: Sandbox,
    late_sandbox: Sandbox,
) -> Iterator[SmallAirflow]:
    """An Airflow that runs the DAGs beside this file."""
    connections = {
        "wechat_default": sandbox.connection,
        "wechat_other": other_sandbox.connection,
        "wechat_late": late_sandbox.connection,
    }
    dags = Path(__file__).parent / "dags"
    with SmallAirflow(tmp_path_factory.mktemp("smoke"), dags, connections) as running:
        yield running
