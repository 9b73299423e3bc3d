from __future__ import annotations

import pytest

from e2e.leftovers import left_over
from e2e.live_airflow import LiveAirflow
from e2e.processes import ComponentDiedError


def test_a_component_that_fails_shows_its_log_and_leaves_no_process(tmp_path):
    home = tmp_path / "airflow"

    with (
        pytest.raises(ComponentDiedError, match=r"(?s)scheduler ended.*NoSuchExecutor"),
        LiveAirflow(home, [tmp_path], {"CORE__EXECUTOR": "NoSuchExecutor"}),
    ):
        pass

    assert left_over(home) == []
