"""A stand-in for WeChat's server on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from airflow_wechat.sandbox.failures import FAILURES
from airflow_wechat.sandbox.roads import ROADS, road_of
from airflow_wechat.sandbox.rules import DEFAULT_APP, Rules
from airflow_wechat.sandbox.server import Sandbox
from airflow_wechat.sandbox.tokens import App


def _app(text: str) -> App:
    app_id, _, secret = text.partition(":")
    if not (app_id and secret):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: give APPID:SECRET")
    return App(app_id, secret)


def _failure(text: str) -> tuple[str, float]:
    kind, _, share = text.rpartition(":")
    try:
        return kind, float(share)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed: give KIND:SHARE, as 61503:0.1; the share is a number from 0 to 1"
        ) from None


def _roads(text: str) -> tuple[str, ...]:
    if text == "all":
        return tuple(ROADS)
    try:
        road_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, or all") from None
    return (text,)


# Flag, metavar, type, default, help; a repeatable option has no default of its own.
_OPTIONS: tuple[tuple[str, str, Any, Any, str], ...] = (
    ("--host", "HOST", str, "127.0.0.1", "loopback address to listen on"),
    ("--port", "N", int, 0, "port to listen on; 0 means any that is free"),
    ("--latency", "SECONDS", float, 0.0, "time before each answer"),
    (
        "--publish-hour",
        "HOUR",
        float,
        Rules.publish_hour,
        "Beijing hour from which the day before can be had",
    ),
    ("--token-life", "SECONDS", float, Rules.token_life, "how long an access token lives"),
    ("--daily-quota", "CALLS", int, Rules.daily_quota, "calls a day, of each report"),
    (
        "--minute-rate",
        "CALLS",
        int,
        Rules.minute_rate,
        "calls a minute, of each report; no limit if left out",
    ),
    ("--seed", "N", int, 0, "makes the same calls fail again"),
)
_REPEATABLE: tuple[tuple[str, str, Any, str], ...] = (
    ("--app", "APPID:SECRET", _app, f"a Mini Program; without any, {DEFAULT_APP.app_id} is there"),
    ("--allow-ip", "IP", str, "an IP address that may use an AppSecret; without any, all may"),
    (
        "--fail",
        "KIND:SHARE",
        _failure,
        f"let that part of the report calls fail, as 61504:0.1; KIND is an errcode or {', '.join(FAILURES)}",
    ),
    (
        "--road",
        "ROAD",
        _roads,
        f"print the connections that take this road, and switch on what it needs: {', '.join(ROADS)}, or all",
    ),
)
_SWITCHES: tuple[tuple[str, str], ...] = (
    ("--no-stay-time-uv", "leave stay_time_uv out, as WeChat's samples do"),
    ("--cloud-run", "take calls of reports without a token, as from inside WeChat Cloud Run"),
    ("--sealed", "want the calls of reports encrypted and signed"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until Ctrl-C or SIGTERM.

    :return: the exit status
    """
    parser = make_parser()
    options = vars(parser.parse_args(joined(sys.argv[1:] if arguments is None else arguments)))
    try:
        sandbox = _sandbox(options).start()
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.exit(1, f"cannot listen on {options['host']}:{options['port']}: {error.strerror}\n")
    end = _end_signal()
    print(greeting(sandbox, _asked_roads(options)), flush=True)
    end.wait()
    sandbox.stop()
    return 0


def joined(arguments: Sequence[str]) -> list[str]:
    """Join ``--fail`` with its value: apart from its flag, argparse takes -1:0.1 for a flag."""
    words: list[str] = []
    for argument in arguments:
        if words and words[-1] == "--fail":
            words[-1] += f"={argument}"
        else:
            words.append(argument)
    return words


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m airflow_wechat.sandbox", description=__doc__)
    for flag, metavar, kind, default, text in _OPTIONS:
        parser.add_argument(
            flag,
            metavar=metavar,
            type=kind,
            default=default,
            help=text + ("" if default is None else f" ({default})"),
        )
    for flag, metavar, kind, text in _REPEATABLE:
        parser.add_argument(
            flag, metavar=metavar, type=kind, action="append", default=[], help=f"{text}; repeatable"
        )
    for flag, text in _SWITCHES:
        parser.add_argument(flag, action="store_true", help=text)
    return parser


def _sandbox(options: dict[str, Any]) -> Sandbox:
    own = {"app", "allow_ip", "fail", "no_stay_time_uv", "road"}
    needed = dict(rule for road in _asked_roads(options) if (rule := ROADS[road].rule))
    return Sandbox(
        apps=tuple(options["app"]) or (DEFAULT_APP,),
        allow_list=tuple(options["allow_ip"]),
        failures=dict(options["fail"]),
        stay_time_uv=not options["no_stay_time_uv"],
        **{name: value or needed.get(name, value) for name, value in options.items() if name not in own},
    )


def _asked_roads(options: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(road for roads in options["road"] for road in roads))


def greeting(sandbox: Sandbox, roads: Sequence[str] = ()) -> str:
    """Return what to tell a person: the address, the apps and their connections, to be pasted.

    :param roads: the roads that the connections take; without any, the usual one
    """
    lines = [f"WeChat sandbox on {sandbox.url} (Ctrl-C ends it)"]
    for app in sandbox.apps:
        if not roads:
            lines += _told(sandbox, app, "stable")
        for name in roads:
            if ROADS[name].leads_to(sandbox, app):
                lines += _told(sandbox, app, name, f"Road       {name}: {ROADS[name].description}")
    return "\n".join(lines)


def _told(sandbox: Sandbox, app: App, road: str, *notes: str) -> list[str]:
    connection = sandbox.connection_of(app, road)
    name, quoted = _connection_id(sandbox, app, road), shlex.quote(json.dumps(connection))
    return [
        "",
        f"AppID      {app.app_id}",
        *([f"AppSecret  {app.secret}"] if "password" in connection else []),
        *notes,
        "Connection for Airflow, either of the two:",
        f"  export AIRFLOW_CONN_{name.upper()}={quoted}",
        f"  airflow connections add {name} --conn-json {quoted}",
    ]


def _connection_id(sandbox: Sandbox, app: App, road: str) -> str:
    if app == sandbox.app:
        return "wechat_default" if road == "stable" else f"wechat_{road}"
    return f"wechat_{app.app_id}" if road == "stable" else f"wechat_{app.app_id}_{road}"


def _end_signal() -> threading.Event:
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    return end


if __name__ == "__main__":
    sys.exit(main())
