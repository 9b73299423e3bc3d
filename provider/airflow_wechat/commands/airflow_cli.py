"""The commands as Airflow's own CLI takes them, from Airflow 3.2 on."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_wechat.airflow_versions import read_stored_connections
from airflow_wechat.commands import COMMANDS

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand

    from airflow_wechat.commands.command import Command


def get_cli_commands() -> list[CLICommand]:
    """Return the group ``airflow wechat``."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    subcommands = [
        ActionCommand(
            name=command.name,
            help=command.help,
            func=_exiting(command),
            args=[
                Arg((argument.name,), help=argument.help, **argument.options)  # type: ignore[no-untyped-call]
                for argument in command.arguments
            ],
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name="wechat", help="Look after WeChat's visit trends", subcommands=subcommands)]


def _exiting(command: Command) -> Callable[[Namespace], None]:
    def run(arguments: Namespace) -> None:
        read_stored_connections()
        sys.exit(command.run(arguments))  # Airflow passes a returned status over

    return run
