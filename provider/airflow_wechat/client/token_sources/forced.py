"""How often ``stable_token`` was asked with ``force_refresh``: no more often than WeChat allows."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from math import isfinite
from pathlib import Path

from airflow_wechat.client.token_sources.own_files import PATIENCE, locked, own_file, write_whole
from airflow_wechat.client.tokens import Clock

_BLUR = 1.0  # second, to which WeChat's clock is known
_APART = 30.0 + _BLUR
_DAY = 24 * 3600.0  # in any of them: WeChat does not say when its own begins
_A_DAY = 20


class ForcedRefreshes:
    """When this machine's processes have asked for an app's token with ``force_refresh``.

    WeChat allows it 20 times a day, at least 30 seconds apart. The moments are in a file; where there can be
    none, each client knows only of its own. What a clock that was ahead has noted counts as of now once it is
    set right: else nobody would force for as long as it was ahead, or more often than WeChat allows.

    :param file: where they are
    :param clock: seconds since 1970, by WeChat's clock where it is known
    :param patience: seconds to wait for whoever forces at the moment
    """

    def __init__(self, file: Path | None, clock: Clock = time.time, patience: float = PATIENCE) -> None:
        self._file = file
        self._clock = clock
        self._patience = patience
        self._known: list[float] = []

    @classmethod
    def of(cls, base_url: str, app_id: str, app_secret: str, clock: Clock = time.time) -> ForcedRefreshes:
        """Return those of an app, which all of this user's processes on this machine count together."""
        with suppress(ValueError):
            return cls(own_file(base_url, app_id, app_secret, "force_refresh"), clock)
        return cls(None, clock)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the right to force for the length of a block; waits for whoever holds it.

        :raises TimeoutError: where that takes too long
        """
        with ExitStack() as stack:
            if self._file:
                try:
                    stack.enter_context(locked(self._file, self._patience))
                except TimeoutError:
                    raise  # all who waited would force at once
                except OSError:
                    pass  # a full disk: at least this process waits its turn
                self._read(self._file)
            self._settle()
            yield

    def now(self) -> float:
        """Return the present moment."""
        return self._clock()

    def since(self, moment: float) -> bool:
        """Tell whether the token was forced after a moment, or may have been."""
        return any(known > moment - _BLUR for known in self._known)

    def allowed(self) -> bool:
        """Tell whether WeChat allows it now."""
        now = self._clock()
        ago = [now - moment for moment in self._known]
        return sum(one < _DAY for one in ago) < _A_DAY and all(one >= _APART for one in ago)

    def note(self) -> None:
        """Remember that it is done now."""
        self._known.append(self._clock())
        self._keep()

    def answered(self) -> None:
        """Remember that what was noted last is answered now, and the new token there."""
        self._known[-1:] = [self._clock()]
        self._keep()

    def _settle(self) -> None:
        now = self._clock()
        settled = [min(moment, now) for moment in self._known]
        if settled != self._known:
            self._known = settled
            self._keep()

    def _keep(self) -> None:
        self._known = self._known[-_A_DAY:]
        if self._file:
            with suppress(OSError):
                write_whole(self._file, json.dumps(self._known))

    def _read(self, file: Path) -> None:
        with suppress(OSError, ValueError, TypeError, OverflowError, RecursionError):
            found = [float(moment) for moment in json.loads(file.read_text())]
            both = Counter(self._known) | Counter(filter(isfinite, found))
            self._known = sorted(both.elements())
