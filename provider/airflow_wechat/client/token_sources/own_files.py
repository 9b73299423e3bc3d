"""Small files that this user's processes on this machine share, and nobody else can read."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from airflow_wechat.client.base_url import is_wechats

PATIENCE = 60.0
"""Seconds to wait for a lock: many times what WeChat takes to give a token."""

_LOOK_AGAIN = 0.02  # seconds; the kernel's own waiting has no end
_OWNER_ONLY = 0o600


def own_file(base_url: str, app_id: str, app_secret: str, what: str = "") -> Path:
    """Return the file that all of this user's processes on this machine share for an app.

    Its name depends on the AppSecret, so that only who has it finds the file. All of WeChat's hosts know the
    same app.

    :param what: is in the file; by default the token
    :raises ValueError: where there can be no folder for it
    """
    place = "" if is_wechats(urlsplit(base_url).hostname or "") else base_url
    named = f"{place} {app_id} {what}".rstrip()
    return _own_folder() / hmac.new(app_secret.encode(), named.encode(), hashlib.sha256).hexdigest()


@contextmanager
def locked(file: Path, patience: float) -> Iterator[None]:
    """Hold a file's lock for the length of a block; waits for whoever holds it.

    The lock is the kernel's, so that a process that is killed leaves none behind.

    :param patience: seconds to wait
    :raises TimeoutError: where it is held for longer
    :raises OSError: where there can be no lock
    """
    ends = time.monotonic() + patience
    while (lock := _taken(file.with_suffix(".lock"))) is None:
        if time.monotonic() > ends:
            raise TimeoutError(f"another process has held the lock for {patience:g} seconds")
        time.sleep(_LOOK_AGAIN)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough where a child was forked meanwhile
        os.close(lock)


def _taken(file: Path) -> int | None:
    """Return the lock; nothing where another process has it, or the file was removed before we had it."""
    _check_own(file.parent)  # made anew where somebody has tidied the folder for temporary files
    lock = os.open(file, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, _OWNER_ONLY)
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), file.stat()):
            return lock
    os.close(lock)
    return None


def write_whole(file: Path, text: str) -> None:
    """Write a file that only its owner can read; a process that is killed meanwhile leaves the former one."""
    aside = file.with_suffix(".new")
    with suppress(FileNotFoundError):
        aside.unlink()
    with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY), "w") as opened:
        opened.write(text)
    aside.replace(file)


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"airflow-wechat-{os.getuid()}"
    try:
        _check_own(folder)
    except OSError as error:
        raise ValueError(
            f"{folder} is not a folder of this user's own with mode 0700, so no token is kept there: remove "
            f"it, or let TMPDIR name another place"
        ) from error
    return folder


def _check_own(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not this user's own")
