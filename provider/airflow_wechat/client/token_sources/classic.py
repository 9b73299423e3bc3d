"""The classic ``/cgi-bin/token``: each call makes a new token and ends the former one.

So the workers of one machine share theirs, in a file that only their user can read, and take turns at a lock.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from airflow_wechat.client.answers import checked
from airflow_wechat.client.errors import TryAgainError
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.token_sources.own_files import PATIENCE, locked, own_file, write_whole
from airflow_wechat.client.tokens import LONGEST_LIFE, Clock, HeldToken, Issued, Proof, issued_by
from airflow_wechat.client.transport import Transport

CLASSIC_TOKEN_PATH = "/cgi-bin/token"  # noqa: S105

_LOCK = (
    "nothing; the task's retries ask again. Where it comes again, see whether a worker hangs, and whether "
    "files can be made in the folder for temporary files (TMPDIR)"
)
_LEAST_LIFE = 60.0  # a token that ends sooner is not worth taking from the file

_log = logging.getLogger(__name__)


class ClassicToken(HeldToken):
    """Tokens of ``/cgi-bin/token``; the one that the machine's other workers use, where it is good.

    A new token leaves the former one at most five minutes, for this machine and for every other service that
    uses the same AppSecret: a warning says so whenever one is made.
    See https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-access-token/getAccessToken.html

    :param shared: the file that the machine's workers share
    """

    proof = Proof.TRIED  # one in the file may have ended since

    def __init__(
        self,
        transport: Transport,
        app_id: str,
        app_secret: str,
        shared: SharedToken | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self._transport = transport
        self._app_id = app_id
        self._app_secret = Secret(app_secret)
        self._shared = shared or SharedToken.of(transport.base_url, app_id, app_secret)

    def _issue(self, stale: Secret | None) -> Issued:
        with self._shared.locked():
            shared = self._shared.read()
            if shared and shared.value != stale:
                return shared
            issued = self._ask()
            self._keep(issued)
        return issued

    def _keep(self, issued: Issued) -> None:
        try:
            self._shared.write(issued)
        except OSError as error:  # asking again would end the token that is here
            _log.warning("The token cannot be shared with this machine's other workers: %s", error)

    def _ask(self) -> Issued:
        answer = self._transport.get(
            CLASSIC_TOKEN_PATH,
            {"grant_type": "client_credential", "appid": self._app_id, "secret": self._app_secret},
            read=partial(checked, path=CLASSIC_TOKEN_PATH, token_endpoint=True),
        )
        _log.warning(
            "Made a new access token of %s by %s: within five minutes WeChat ends the former one, also where "
            "another machine or service uses it. token_source=stable does not",
            self._app_id,
            CLASSIC_TOKEN_PATH,
        )
        return issued_by(answer, CLASSIC_TOKEN_PATH)


class SharedToken:
    """A token in a file of mode 0600, and the lock at which those take turns who read or write it.

    :param file: where it is, in a folder of this user's own
    :param patience: seconds to wait for the lock
    """

    def __init__(self, file: Path, patience: float = PATIENCE) -> None:
        self._file = file
        self._patience = patience

    @classmethod
    def of(cls, base_url: str, app_id: str, app_secret: str) -> SharedToken:
        """Return the token that all of this user's processes on this machine share for an app.

        :raises ValueError: where there can be no file for it
        """
        return cls(own_file(base_url, app_id, app_secret))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock for the length of a block; waits for whoever holds it.

        :raises TryAgainError: where it cannot be had
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self._file, self._patience))
            except OSError as error:
                words = f"no turn at the token that this machine's workers share: {error}"
                raise TryAgainError(words, path=CLASSIC_TOKEN_PATH, advice=_LOCK) from error
            yield

    def read(self) -> Issued | None:
        """Return the token with what is left of its life; ``None`` where there is none that is good."""
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            kept = json.loads(self._file.read_text())
            left = kept["ends_at"] - time.time()
            if _LEAST_LIFE < left < LONGEST_LIFE and time.time() >= kept["made_at"]:
                return Issued(Secret(kept["access_token"]), left)
        return None

    def write(self, issued: Issued) -> None:
        """Keep a token; a process that is killed meanwhile leaves the former one."""
        now = time.time()
        kept = {"access_token": issued.value, "made_at": now, "ends_at": now + issued.lifetime}
        write_whole(self._file, json.dumps(kept))
