"""How often ``stable_token`` was asked with ``force_refresh``: no more often than WeChat allows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from airflow_wechat.client.periods import beijing_day
from airflow_wechat.client.token_sources.own_files import locked, own_file, write_whole
from airflow_wechat.client.tokens import Clock

_APART = 30.0
_A_DAY = 20
_CLOCKS_APART = 60.0  # how far ahead of now a moment may lie that another process has noted


class ForcedRefreshes:
    """When this machine's processes have asked for an app's token with ``force_refresh``.

    WeChat allows it 20 times a day, at least 30 seconds apart. The moments are in a file; where there can be
    none, each client knows only of its own. What a clock that was ahead has noted is forgotten once it is set
    right: else nobody would force for as long as it was ahead.

    :param file: where they are
    :param clock: seconds since 1970
    """

    def __init__(self, file: Path | None, clock: Clock = time.time) -> None:
        self._file = file
        self._clock = clock
        self._known: list[float] = []

    @classmethod
    def of(cls, base_url: str, app_id: str, app_secret: str) -> ForcedRefreshes:
        """Return those of an app, which all of this user's processes on this machine count together."""
        with suppress(ValueError):
            return cls(own_file(base_url, app_id, app_secret, "force_refresh"))
        return cls(None)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the right to force for the length of a block; waits for whoever holds it."""
        with ExitStack() as stack:
            if self._file:
                with suppress(OSError):  # a full disk: at least this process waits its turn
                    stack.enter_context(locked(self._file))
                self._read(self._file)
            now = self._clock()
            self._known = [moment for moment in self._known if moment <= now + _CLOCKS_APART]
            yield

    def now(self) -> float:
        """Return the present moment."""
        return self._clock()

    def since(self, moment: float) -> bool:
        """Tell whether the token was forced after a moment."""
        return any(known > moment for known in self._known)

    def allowed(self) -> bool:
        """Tell whether WeChat allows it now."""
        now = self._clock()
        today = [moment for moment in self._known if _day(moment) == _day(now)]
        return len(today) < _A_DAY and all(abs(now - moment) >= _APART for moment in self._known)

    def note(self) -> None:
        """Remember that it is done now."""
        self._known.append(self._clock())
        self._keep()

    def answered(self) -> None:
        """Remember that what was noted last is answered now, and the new token there."""
        self._known[-1:] = [self._clock()]
        self._keep()

    def _keep(self) -> None:
        self._known = self._known[-_A_DAY:]
        if self._file:
            with suppress(OSError):
                write_whole(self._file, json.dumps(self._known))

    def _read(self, file: Path) -> None:
        with suppress(OSError, ValueError, TypeError, OverflowError, RecursionError):
            found = [float(moment) for moment in json.loads(file.read_text())]
            list(map(_day, found))  # a moment that is none
            self._known = sorted({*self._known, *found})


def _day(moment: float) -> object:
    return beijing_day(datetime.fromtimestamp(moment, UTC))
