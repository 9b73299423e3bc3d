from __future__ import annotations

import pytest

from mutants.sources import fingerprint, left_alone, undecorated

DECORATED = '''\
from contextlib import contextmanager
from functools import cached_property, lru_cache


@lru_cache(
    maxsize=64,
)
def double(number):
    return number * 2


class Day:
    @property
    def name(self):
        """Tell its name."""
        return "Monday"
    # what follows it

    @classmethod
    def first(cls):
        return cls()

    @cached_property
    def noon(self): return 12


@contextmanager
def open_at(hour):
    yield hour
'''

UNDECORATED = '''\
from contextlib import contextmanager
from functools import cached_property, lru_cache


def double(number):
    return number * 2
double = lru_cache(maxsize=64)(double)


class Day:
    def name(self):
        """Tell its name."""
        return "Monday"
    name = property(name)
    # what follows it

    @classmethod
    def first(cls):
        return cls()

    def noon(self): return 12
    noon = cached_property(noon)


def open_at(hour):
    yield hour
open_at = contextmanager(open_at)
'''


def test_a_decorator_is_called_after_the_function_that_it_stood_before() -> None:
    assert undecorated(DECORATED) == UNDECORATED


def test_several_decorators_are_called_from_the_innermost_on() -> None:
    source = "@lru_cache\n@contextmanager\ndef at(hour):\n    yield hour\n"

    assert undecorated(source).endswith("\nat = lru_cache(contextmanager(at))\n")


@pytest.mark.parametrize("decorator", ["abstractmethod", "classmethod", "staticmethod", "day.setter"])
def test_another_decorator_stays_where_it_is(decorator: str) -> None:
    source = f"class Day:\n    @{decorator}\n    def name(self): ...\n"

    assert undecorated(source) == source


def test_what_cannot_be_changed_is_named_with_its_decorators() -> None:
    source = """\
class Day:
    @property
    @abstractmethod
    def name(self): ...

    @route("/day")
    def shown(self): ...

    @classmethod
    def first(cls): ...

    @property
    def noon(self): ...
"""

    assert left_alone(source) == {"Day.name": "property, abstractmethod", "Day.shown": "route('/day')"}


@pytest.mark.parametrize(
    "same",
    [
        'def f(a):\n    """Tell."""\n    return a + 1\n',
        "def f(a):\n    return (\n        a + 1  # one more\n    )\n",
    ],
)
def test_words_and_line_breaks_leave_the_fingerprint_as_it_is(same: str) -> None:
    assert fingerprint(same) == fingerprint("def f(a):\n    return a + 1\n")


def test_another_number_is_another_fingerprint() -> None:
    assert fingerprint("def f(a):\n    return a + 2\n") != fingerprint("def f(a):\n    return a + 1\n")
