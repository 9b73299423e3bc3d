from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_none

from airflow_wechat.client.errors import CheckAnswerError, FixCredentialsError, TryAgainError, WeChatError
from airflow_wechat.client.token_sources import classic
from airflow_wechat.client.token_sources.classic import CLASSIC_TOKEN_PATH, ClassicToken, SharedToken
from airflow_wechat.client.tokens import Issued
from airflow_wechat.client.transport import Transport
from airflow_wechat.sandbox import Sandbox
from client.scripted import ScriptedServer, serving

PROCESSES = 16


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's folder for temporary files, a fresh one."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def source(
    server: ScriptedServer, secret: str = "the-secret", app_id: str = "wx1", **options: Any
) -> ClassicToken:
    return ClassicToken(Transport(server.url, waits=wait_none()), app_id, secret, **options)


def giving(token: str, expires_in: float = 7200) -> dict[str, Any]:
    return {"access_token": token, "expires_in": expires_in}


def test_a_token_is_asked_for_with_the_secret_in_the_query(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"))

    assert source(server).token() == "t1"

    [request] = server.requests
    assert request.method == "GET"
    assert request.query == {"grant_type": ["client_credential"], "appid": ["wx1"], "secret": ["the-secret"]}


def test_another_worker_takes_the_token_that_is_there(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"), giving("t2"))

    assert [source(server).token() for _ in range(3)] == ["t1"] * 3
    assert len(server.requests) == 1


def test_what_another_worker_renewed_is_taken_and_not_renewed_again(
    server: ScriptedServer, folder: Path
) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"), giving("t2"), giving("t3"))
    one, other = source(server), source(server)
    stale = one.token()
    other.token()
    one.renewed(stale)

    assert other.renewed(stale) == "t2"
    assert len(server.requests) == 2


def test_a_token_near_its_end_is_not_taken_from_another(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1", 59), giving("t2"))
    source(server).token()

    assert source(server).token() == "t2"


def test_who_has_another_secret_finds_no_token(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"), {"errcode": 40125, "errmsg": "invalid appsecret"})
    source(server).token()

    with pytest.raises(FixCredentialsError):
        source(server, "a-wrong-secret").token()


def test_another_app_has_a_token_of_its_own(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"), giving("t2"))

    assert [source(server, app_id=name).token() for name in ("wx1", "wx2", "wx1")] == ["t1", "t2", "t1"]


def test_another_host_has_a_token_of_its_own(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"))
    with serving() as elsewhere:
        elsewhere.on(CLASSIC_TOKEN_PATH, giving("t2"))

        assert [source(each).token() for each in (server, elsewhere)] == ["t1", "t2"]


@pytest.mark.parametrize(
    ("answer", "error"), [({"errcode": 40125}, FixCredentialsError), ({"expires_in": 7200}, CheckAnswerError)]
)
def test_a_failure_names_the_path(
    server: ScriptedServer, folder: Path, answer: dict[str, Any], error: type[WeChatError]
) -> None:
    server.on(CLASSIC_TOKEN_PATH, answer)

    with pytest.raises(error) as caught:
        source(server).token()

    assert caught.value.path == CLASSIC_TOKEN_PATH


def test_40001_here_means_a_wrong_secret(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, {"errcode": 40001, "errmsg": "invalid credential"})

    with pytest.raises(FixCredentialsError):
        source(server).token()


def test_a_new_token_is_told_with_what_it_does_to_others(
    server: ScriptedServer, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"))

    with caplog.at_level(logging.WARNING):
        source(server).token()
        source(server).token()

    [line] = [record.getMessage() for record in caplog.records if record.name == classic.__name__]
    assert f"of wx1 by {CLASSIC_TOKEN_PATH}: within five minutes WeChat ends the former one" in line
    assert "t1" not in line


# The file


def test_only_its_owner_can_read_the_file(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"))
    source(server).token()

    files = list(folder.rglob("*"))

    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o700", "0o600"}
    assert not any("wx1" in file.name or "secret" in file.name for file in files)


def test_a_folder_that_others_can_read_is_refused(server: ScriptedServer, folder: Path) -> None:
    (folder / f"airflow-wechat-{os.getuid()}").mkdir(mode=0o755)

    with pytest.raises(ValueError, match="not a folder of this user's own with mode 0700"):
        source(server)

    assert server.requests == []


def test_a_link_in_the_folders_place_is_refused(server: ScriptedServer, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (folder / f"airflow-wechat-{os.getuid()}").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ValueError, match="not a folder of this user's own"):
        source(server)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"access_token": "t0"}',
        '{"access_token": "t0", "made_at": 0, "ends_at": "soon"}',
        '{"access_token": "t0", "made_at": 0, "ends_at": 1e300}',
        '{"access_token": "t0", "made_at": 9e9, "ends_at": 9.000001e9}',
        pytest.param("[" * 100_000, id="too deep"),
    ],
)
def test_a_file_that_makes_no_sense_is_written_anew(
    tmp_path: Path, server: ScriptedServer, text: str
) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    server.on(CLASSIC_TOKEN_PATH, giving("t1"))

    assert source(server, shared=SharedToken(file)).token() == "t1"
    assert json.loads(file.read_text())["access_token"] == "t1"


def test_a_writer_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "token.new").write_text("{half")
    shared = SharedToken(tmp_path / "token")

    shared.write(Issued(classic.Secret("t1"), 7200))

    kept = shared.read()
    assert kept and kept.value == "t1"


def test_a_token_that_cannot_be_shared_is_used_all_the_same(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    server.on(CLASSIC_TOKEN_PATH, giving("t1"), giving("t2"))
    monkeypatch.setattr(SharedToken, "write", full)
    tokens = source(server, shared=SharedToken(tmp_path / "token"))

    assert [tokens.token(), tokens.token()] == ["t1", "t1"]
    assert "cannot be shared with this machine's other workers: No space left" in caplog.text


def test_all_of_wechats_hosts_share_one_token_and_no_other_host_does(folder: Path) -> None:
    def file(url: str) -> Path:
        return SharedToken.of(url, "wx1", "the-secret")._file

    assert file("https://api.weixin.qq.com") == file("https://sh.api.weixin.qq.com/")
    assert file("https://api.weixin.qq.com") != file("https://gateway.example")


def test_a_folder_that_cannot_be_made_names_the_way_out(folder: Path) -> None:
    (folder / f"airflow-wechat-{os.getuid()}").write_text("a file")

    with pytest.raises(ValueError, match="let TMPDIR name another place"):
        SharedToken.of("https://api.weixin.qq.com", "wx1", "the-secret")


def test_a_child_forked_while_the_lock_is_held_does_not_hold_it(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; "
        "from airflow_wechat.client.token_sources.classic import SharedToken\n"
        "shared = SharedToken(Path(sys.argv[1]))\n"
        "with shared.locked():\n    child = os.fork()\n    child or time.sleep(60)\n"
        "print(child, flush=True)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path / "token")]
    parent = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    try:
        before = time.monotonic()
        with SharedToken(tmp_path / "token").locked():
            waited = time.monotonic() - before
    finally:
        os.kill(child, signal.SIGKILL)

    assert waited < 10


# Many processes

WORKER = """
import sys, time
from datetime import date
from airflow_wechat.client.client import WeChatClient
from airflow_wechat.client.periods import Granularity
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.client.token_sources.classic import ClassicToken
from airflow_wechat.client.transport import Transport

url, app_id, secret, number = sys.argv[1:]
transport = Transport(url)
client = WeChatClient(app_id, transport, ClassicToken(transport, app_id, secret))
day = Granularity.DAILY.period_of(date(2025, 3, 1))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    [row] = client.fetch(REPORTS["daily_visit_trend"], day)
    day = day.next
print("done", flush=True)
sys.stdin.readline()
client.fetch(REPORTS["daily_visit_trend"], day)
"""


class Workers:
    """Processes that wait for a word before each part of their work."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        command = [sys.executable, "-c", WORKER, sandbox.url, sandbox.app.app_id, sandbox.app.secret]
        environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        self.processes = [
            subprocess.Popen(
                [*command, str(number)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(PROCESSES)
        ]

    def wait_for(self, word: str) -> None:
        said = [process.stdout.readline().strip() for process in self.processes if process.stdout]
        assert said == [word] * PROCESSES

    def go_on(self) -> None:
        for process in self.processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()

    def end(self) -> list[int]:
        return [process.wait(60) for process in self.processes]


@pytest.fixture
def classic_sandbox() -> Iterator[Sandbox]:
    with Sandbox(publish_hour=0) as sandbox:
        yield sandbox


def asked_for_tokens(sandbox: Sandbox) -> int:
    return sum(request.path == CLASSIC_TOKEN_PATH for request in sandbox.requests)


def test_sixteen_processes_do_not_end_each_others_tokens(classic_sandbox: Sandbox, tmp_path: Path) -> None:
    workers = Workers(classic_sandbox, tmp_path)
    workers.wait_for("ready")
    workers.go_on()
    workers.wait_for("done")
    tokens_at_first = asked_for_tokens(classic_sandbox)
    classic_sandbox.end_tokens()
    workers.go_on()

    statuses = workers.end()

    assert statuses == [0] * PROCESSES
    assert (tokens_at_first, asked_for_tokens(classic_sandbox)) == (1, 2)
    refused = [request for request in classic_sandbox.requests if request.answered]
    assert len(refused) <= PROCESSES  # each at most once, after the tokens were ended


def test_a_worker_that_hangs_with_the_lock_keeps_nobody_for_ever(
    server: ScriptedServer, tmp_path: Path
) -> None:
    tokens = source(server, shared=SharedToken(tmp_path / "token", patience=0.1))

    with (
        SharedToken(tmp_path / "token").locked(),
        pytest.raises(
            TryAgainError, match=r"held the lock for 0\.1 seconds\. .*see whether a worker hangs"
        ) as caught,
    ):
        tokens.token()

    assert caught.value.path == CLASSIC_TOKEN_PATH
    assert server.requests == []


def test_of_a_lock_whose_file_was_removed_nobody_who_waited_is_the_holder(tmp_path: Path) -> None:
    place = tmp_path / "own"
    first, second = SharedToken(place / "token"), SharedToken(place / "token", patience=0.5)
    held: list[bool] = []

    def wait_for_it() -> None:
        with suppress(TryAgainError), second.locked():
            held.append(True)

    with first.locked():
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        time.sleep(0.1)
        shutil.rmtree(place)
        with SharedToken(place / "token").locked():
            waiting.join()

    assert held == []


def test_a_lock_whose_file_is_removed_while_it_is_taken_is_taken_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock, really, taken = tmp_path / "token.lock", fcntl.flock, []

    def removing(descriptor: int, how: int) -> None:
        really(descriptor, how)
        if not taken:
            lock.unlink()
        taken.append(how)

    monkeypatch.setattr("fcntl.flock", removing)
    with SharedToken(tmp_path / "token").locked():
        assert lock.exists()
        assert len(taken) == 2


def test_a_folder_that_somebody_has_tidied_away_is_made_anew(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"), giving("t2"))
    tokens = source(server)
    stale = tokens.token()
    [place] = folder.iterdir()
    shutil.rmtree(place)

    assert tokens.renewed(stale) == "t2"
    assert source(server).token() == "t2"
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_another_user_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    another = os.getuid() + 1
    monkeypatch.setattr("os.getuid", lambda: another)

    lock = SharedToken(tmp_path / "token").locked()
    with pytest.raises(TryAgainError, match=r"is not this user's own.*TMPDIR"), lock:
        pytest.fail("locked")


def test_a_folder_that_is_no_longer_this_users_own_is_not_used(server: ScriptedServer, folder: Path) -> None:
    server.on(CLASSIC_TOKEN_PATH, giving("t1"))
    tokens = source(server)
    [place] = folder.iterdir()
    place.chmod(0o755)

    with pytest.raises(TryAgainError, match=r"is not this user's own.*TMPDIR"):
        tokens.token()
    assert server.requests == []


def test_a_process_killed_while_it_holds_the_lock_leaves_none_behind(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; "
        "from airflow_wechat.client.token_sources.classic import SharedToken\n"
        "with SharedToken(Path(sys.argv[1])).locked():\n    print('held', flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "token")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait(10)

    before = time.monotonic()
    with SharedToken(tmp_path / "token").locked():
        waited = time.monotonic() - before

    assert waited < 10
