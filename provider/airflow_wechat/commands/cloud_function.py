"""Write the cloud function out, ready to deploy."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from airflow_wechat.commands.command import Argument, Command


def run(arguments: Namespace) -> int:
    """Copy the function's folder and say what to do with it."""
    from airflow_wechat.cloud_function import copy_to

    try:
        folder = copy_to(Path(arguments.folder))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{folder} is ready to deploy; its README.md says how.")
    return 0


COMMAND = Command(
    "cloud-function",
    "Write the cloud function that route cloud_function calls, ready to deploy",
    (
        Argument(
            "folder",
            "where to, usually the cloudfunctionRoot of the Mini Program's project",
            {"nargs": "?", "default": "."},
        ),
    ),
    run,
)
