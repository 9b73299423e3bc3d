"""The WeChat cloud function that the route ``cloud_function`` calls, ready to deploy.

Its ``README.md`` says how, in English and Chinese.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

FUNCTION_NAME = "wechatReports"
"""The function's folder, and its name in WeChat's cloud."""

_FILES = ("index.js", "config.json", "package.json", "README.md")


def copy_to(folder: Path) -> Path:
    """Write the function's folder into another one.

    :param folder: where it goes, usually the ``cloudfunctionRoot`` of the Mini Program's
        ``project.config.json``; made if missing
    :return: the folder written, ``<folder>/wechatReports``
    :raises ValueError: if that folder exists and has files in it; nothing is written then
    """
    target = folder / FUNCTION_NAME
    if target.is_dir() and any(target.iterdir()):
        raise ValueError(f"{target} has files in it already: move or delete it, or name another folder")
    target.mkdir(parents=True, exist_ok=True)
    source = files(__name__) / FUNCTION_NAME
    for name in _FILES:
        (target / name).write_bytes((source / name).read_bytes())
    return target
