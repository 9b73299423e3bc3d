"""Properties that hold for whatever comes: a few examples in every run, thousands in ``make proof``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proof.figures import figure

Property = Callable[..., None]

MANY = 3_000

any_text = st.text(st.characters(), max_size=30)
"""Half characters among it, as JSON may hold them."""

numbers = st.one_of(st.integers(), st.floats(), st.just(10**400), st.just(1e308))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, any_text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(any_text, inner, max_size=3)),
    max_leaves=8,
)
json_objects = st.dictionaries(any_text, json_values, max_size=4)


def expect_ours(error: Exception, *kinds: type[Exception], longest: int = 5_000) -> None:
    """Fail where an error is not one that we have made: of another class, or as long as what was refused."""
    assert type(error) in kinds, f"{type(error).__name__} is not among {kinds}"
    assert len(str(error)) < longest


def fuzzed(promise: str, *strategies: st.SearchStrategy[Any], few: int = 100, many: int = MANY) -> Any:
    """Make a test of a property; its long run is a part of the reliability battery.

    :param promise: what the property is, for the figures
    :param strategies: what its arguments are drawn from
    :param few: how many examples each run of the tests tries
    :param many: how many ``make proof`` tries
    """

    def decorate(held: Property) -> Property:
        @pytest.mark.parametrize(
            "examples", [pytest.param(few, id="few"), pytest.param(many, id="many", marks=pytest.mark.proof)]
        )
        def test(examples: int) -> None:
            with figure("fuzz", promise) as counted:

                @wraps(held)
                def tried(*arguments: Any, **named: Any) -> None:
                    counted.tried += 1
                    held(*arguments, **named)

                checked = settings(
                    max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck)
                )
                checked(given(*strategies)(tried))()

        test.__name__ = held.__name__
        test.__module__ = held.__module__
        return test

    return decorate
