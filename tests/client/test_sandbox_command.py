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
from urllib.parse import urlsplit

import pytest
import requests

from airflow_wechat.sandbox import Sandbox
from airflow_wechat.sandbox.__main__ import main
from client.sandboxed import DAILY, STABLE

BODY = {"begin_date": "20261101", "end_date": "20261101"}


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    command = [sys.executable, "-m", "airflow_wechat.sandbox", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout
        try:
            yield process, [process.stdout.readline().strip() for _ in range(7)]
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


@pytest.mark.parametrize(
    ("option", "words"),
    [
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
