"""Deprecations of Airflow's that our code causes: errors, whatever Airflow's filters say, whomever it names.

A warning that is passed on, as ``common.compat`` does with what it finds for us, is blamed on who asked.
"""

from __future__ import annotations

import re
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

OURS = re.compile(r"airflow_wechat(\.|$)|(.*_)?wechat_[a-z_]+$")
"""Modules of the provider, and sample DAGs, before whose names Airflow puts more."""

PASSES_ON = re.compile(
    r"importlib\b|warnings$|deprecated\b|typing_extensions$|airflow\.utils\.deprecation_tools$"
    r"|airflow\.sdk\.definitions\._internal\.|airflow\.providers\.common\.compat\b"
)

_warn = warnings.warn


def install() -> None:
    """Let every such warning raise itself from now on in this process."""
    warnings.warn = _warn_or_raise  # type: ignore[assignment]


def _warn_or_raise(
    message: Warning | str,
    category: type[Warning] | None = None,
    stacklevel: int = 1,
    source: object = None,
    **options: Any,
) -> None:
    kind = type(message) if isinstance(message, Warning) else category or UserWarning
    if _is_airflows(kind) and _is_ours(str(message), stacklevel):
        raise kind(message)
    _warn(message, category, stacklevel + 1, source, **options)


def _is_airflows(kind: type[Warning]) -> bool:
    own_or_plain = kind.__module__.partition(".")[0] in {"airflow", "builtins"}
    return own_or_plain and issubclass(kind, DeprecationWarning | FutureWarning)


def _is_ours(message: str, stacklevel: int) -> bool:
    return "airflow_wechat" in message or bool(OURS.match(_blamed(sys._getframe(2), stacklevel)))


def _blamed(frame: FrameType | None, stacklevel: int) -> str:
    """Return the module that a warning names, or the one it came from where that one only passes on."""
    while frame and (stacklevel > 1 or PASSES_ON.match(_module(frame))):
        stacklevel -= not _module(frame).startswith("importlib.")
        frame = frame.f_back
    return _module(frame) if frame else ""


def _module(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__") or ""
    return name
