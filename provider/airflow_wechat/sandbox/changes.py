"""What changes at WeChat while callers go on with what they know, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_wechat.sandbox.server import Sandbox
    from airflow_wechat.sandbox.tokens import App

CHANGES: Mapping[str, Callable[[Sandbox, App], None]] = MappingProxyType(
    {
        "authorizer_refresh_token": lambda sandbox, app: sandbox.component.change_refresh_token(app.app_id),
        "component_access_token": lambda sandbox, _: sandbox.component.change_access_token(),
        "cloudbase_access_token": lambda sandbox, _: sandbox.wechat.cloud_run.change_access_token(),
        "certificate": lambda sandbox, app: sandbox.sealed_side(app).change_certificate(),
    }
)
"""An app's refresh token, at its next refresh; the third-party platform's token and the Cloud Run
container's, at once; the platform certificate, the former one going on beside the new one."""


def make(change: str, sandbox: Sandbox, app: App) -> None:
    """Make a change.

    :raises ValueError: for what is not in :data:`CHANGES`
    """
    if change not in CHANGES:
        raise ValueError(f"change of {change!r} is not allowed: give {', '.join(CHANGES)}")
    CHANGES[change](sandbox, app)
