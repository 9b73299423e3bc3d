"""The sandbox on the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from tenacity import wait_none

from airflow_wechat.client.assembly import client_from
from airflow_wechat.client.errors import FixCredentialsError
from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.__main__ import main
from airflow_wechat.sandbox.roads import ROADS
from client.sandboxed import DAILY, STABLE, settings_of

BODY = {"begin_date": "20261101", "end_date": "20261101"}


@contextmanager
def running(*arguments: str, lines: int = 7) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    command = [sys.executable, "-m", "airflow_wechat.sandbox", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout
        try:
            yield process, [process.stdout.readline().strip() for _ in range(lines)]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_tells_how_to_connect_and_ends_cleanly(number):
    with running() as (process, lines):
        url = re.search(r"http://127\.0\.0\.1:[0-9]+", lines[0])
        assert url
        (_, variable), add = shlex.split(lines[5]), shlex.split(lines[6])
        name, _, given = variable.partition("=")
        connection = json.loads(given)
        answer = requests.post(
            connection["host"] + STABLE,
            json={
                "grant_type": "client_credential",
                "appid": connection["login"],
                "secret": connection["password"],
            },
            timeout=20,
        ).json()

        process.send_signal(number)
        rest, status = process.communicate(timeout=20)[0], process.returncode

    assert name == "AIRFLOW_CONN_WECHAT_DEFAULT"
    assert connection["host"] == url[0]
    assert add == ["airflow", "connections", "add", "wechat_default", "--conn-json", given]
    assert lines[2:4] == [f"AppID      {connection['login']}", f"AppSecret  {connection['password']}"]
    assert "access_token" in answer
    assert (rest, status) == ("", 0)


def test_the_commands_options_reach_the_server():
    options = (
        "--app=wx1:a:b --app=wx2:c --fail -1:1 --seed=3 --publish-hour=9 --token-life=60 --latency=0 "
        "--allow-ip=127.0.0.1 --daily-quota=5 --minute-rate=4 --no-stay-time-uv --host=127.0.0.1 --port=0"
    )
    with running(*options.split()) as (_, lines):
        connection = json.loads(shlex.split(lines[5])[1].partition("=")[2])
        credentials = {"grant_type": "client_credential", "appid": "wx1", "secret": "a:b"}
        token = requests.post(connection["host"] + STABLE, json=credentials, timeout=20).json()
        report = requests.post(
            connection["host"] + DAILY.path,
            params={"access_token": token["access_token"]},
            json=BODY,
            timeout=20,
        ).json()

    assert (connection["login"], connection["password"]) == ("wx1", "a:b")
    assert token["expires_in"] == 60
    assert report["errcode"] == -1


def connections_in(lines: list[str]) -> dict[str, dict[str, str]]:
    """The connections that the command tells of, by their ids, each told twice and alike."""
    words = [shlex.split(line) for line in lines if line.startswith(("export", "airflow"))]
    exported = [line[1].partition("=") for line in words if line[0] == "export"]
    added = {line[3]: json.loads(line[5]) for line in words if line[0] == "airflow"}
    assert {name: json.loads(given) for name, _, given in exported} == {
        f"AIRFLOW_CONN_{name.upper()}": connection for name, connection in added.items()
    }
    return added


def fetch_by(connection: dict[str, str]) -> list[Any]:
    client = client_from(settings_of(connection), waits=wait_none())
    return client.fetch(DAILY, DAILY.granularity.period_of(date(2024, 3, 13)))


def test_the_command_tells_the_connections_of_all_roads_and_each_works(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with running("--road=all", lines=1 + 6 * len(ROADS) + 4) as (_, lines):
        connections = connections_in(lines)
        rows = [fetch_by(connection) for connection in connections.values()]

    assert [*connections] == ["wechat_default", *(f"wechat_{road}" for road in [*ROADS][1:])]
    assert all(rows)


def test_the_command_tells_the_connections_of_the_roads_asked_for_once_each_and_for_every_app():
    options = ("--road=authorizer", "--road=cloud_run", "--road=authorizer", "--app=wx1:a", "--app=wx2:b")
    with running(*options, lines=1 + 3 * 6) as (_, lines):
        connections = connections_in(lines)

    assert [*connections] == ["wechat_authorizer", "wechat_cloud_run", "wechat_wx2_authorizer"]
    assert [line for line in lines if line.startswith("Road ")] == [
        "Road       authorizer: tokens of a third-party platform",
        "Road       cloud_run: inside WeChat Cloud Run, without any token",
        "Road       authorizer: tokens of a third-party platform",
    ]
    assert not any(line.startswith("AppSecret") for line in lines)


def test_where_calls_must_be_sealed_the_usual_connection_says_how():
    with running("--sealed") as (_, lines):
        (connection,) = connections_in(lines).values()
        rows = fetch_by(connection)
        with pytest.raises(FixCredentialsError, match="40231"):
            fetch_by(connection | {"extra": "{}"})

    assert rows


def test_inside_cloud_run_the_command_takes_calls_without_a_token():
    with running("--cloud-run") as (_, lines):
        (connection,) = connections_in(lines).values()
        del connection["password"]

        assert fetch_by(connection | {"extra": '{"token_source": "none"}'})


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--road=nowhere", "road 'nowhere' is not allowed: give stable, "),
        ("--fail=nope:0.1", "failure 'nope' is not allowed: give an errcode, or one of html,"),
        ("--fail=html", "'html' is not allowed: give KIND:SHARE"),
        ("--fail=html:2", "share 2.0 of failure 'html' is not allowed: give a number from 0 to 1"),
        ("--app=wx1", "'wx1' is not allowed: give APPID:SECRET"),
        ("--host=0.0.0.0", "host='0.0.0.0' is not allowed: give a loopback address"),
        ("--publish-hour=25", "publish_hour=25.0 is not allowed: give an hour"),
        ("--port=99999", "port=99999 is not allowed: give a port from 0 to 65535"),
    ],
)
def test_a_wrong_option_ends_the_command_with_its_value_and_what_is_allowed(option, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([option])

    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_port_in_use_ends_the_command(capsys):
    with Sandbox() as sandbox:
        port = str(urlsplit(sandbox.url).port)
        with pytest.raises(SystemExit) as ended:
            main(["--port", port])

    assert ended.value.code == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


def test_the_sandbox_needs_no_airflow():
    code = "import sys, airflow_wechat.sandbox.__main__; print('airflow' in sys.modules)"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert told.strip() == "False"
