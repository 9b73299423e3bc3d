"""What an administrator may take away in a console."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from airflow_wechat.sandbox.refusals import Refusal

PERMISSIONS: Mapping[str, int] = MappingProxyType(
    {
        "reports": 48001,
        # WeChat has more than one code for an app that has left its platform; which one comes is our guess.
        "component": 61007,
        "cloud_function": -604101,
    }
)
"""What may be lost, and what WeChat answers then: the account's reports, the third-party platform's acting
for the account, the cloud function's cloud calls."""


class Permissions:
    """What is permitted: everything, until it is revoked."""

    def __init__(self) -> None:
        self._revoked: frozenset[str] = frozenset()

    def revoke(self, name: str) -> None:
        """Take a permission away.

        :raises ValueError: for a name that is not in :data:`PERMISSIONS`
        """
        self._revoked |= {_known(name)}

    def grant(self, name: str) -> None:
        """Give a permission back.

        :raises ValueError: for a name that is not in :data:`PERMISSIONS`
        """
        self._revoked -= {_known(name)}

    def check(self, name: str) -> None:
        """Make sure that something is permitted.

        :raises Refusal: where it is not
        """
        if name in self._revoked:
            raise Refusal(PERMISSIONS[name])


def _known(name: str) -> str:
    if name not in PERMISSIONS:
        raise ValueError(f"permission {name!r} is not allowed: give {', '.join(PERMISSIONS)}")
    return name
