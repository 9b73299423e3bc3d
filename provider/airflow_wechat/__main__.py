"""The provider's commands, for every Airflow: ``python -m airflow_wechat check``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_wechat.airflow_versions import read_stored_connections
from airflow_wechat.commands import COMMANDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    :return: its exit status
    """
    options = make_parser().parse_args(arguments)
    read_stored_connections()
    return int(options.run(options))


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m airflow_wechat", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        own = subparsers.add_parser(command.name, help=command.help, description=command.help)
        for argument in command.arguments:
            own.add_argument(argument.name, help=argument.help, **argument.options)
        own.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
