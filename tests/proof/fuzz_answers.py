"""Coverage-guided fuzzing of what reads WeChat's answers: rows, or an error of ours, whatever the bytes.

``python fuzz_answers.py CORPUS [libFuzzer's options]``; ``tests/client/test_fuzz_answers.py`` runs it. The
first byte of an input says who reads the rest: the parser, or, for a whole HTTP answer, the transport too.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from unittest.mock import patch

import atheris

with atheris.instrument_imports(include=["airflow_wechat"]):
    from airflow_wechat.client import bounded
    from airflow_wechat.client.answers import Answer, checked, decode, quota_in, rows_of
    from airflow_wechat.client.errors import WeChatError
    from airflow_wechat.client.reports import get_report
    from airflow_wechat.client.routes import INVOKE_PATH, by_cloud_function
    from airflow_wechat.client.tokens import issued_by
    from airflow_wechat.client.transport import Network, Transport
    from airflow_wechat.storage.formats import FORMATS

REPORT = get_report("daily_visit_trend")
PERIOD = REPORT.granularity.period_of(date(2017, 3, 13))
FETCHED_AT = datetime(2026, 3, 18, tzinfo=UTC)

ANSWERS = (
    b'{"list":[{"ref_date":"20170313","session_cnt":142549,"visit_pv":472351,"visit_uv":55500,'
    b'"visit_uv_new":5464,"stay_time_session":0,"visit_depth":1.9838}]}',
    b'{"list":[{"ref_date":"20170313","session_cnt":7,"visit_pv":36,"visit_uv":3,"visit_uv_new":0,'
    b'"stay_time_uv":492.3333,"stay_time_session":211,"visit_depth":2.4286,"new":[{"a":null},"\\ud800"]}]}',
    b'{"list":[]}',
    b'{"errcode":61503,"errmsg":"data is not ready, please try later rid: 1-2-3"}',
    b'{"access_token":"68_TOKEN","expires_in":7200}',
    b'{"errcode":0,"errmsg":"ok","quota":{"daily_limit":1000,"used":3,"remain":997},'
    b'"rate_limit":{"call_count":5000,"refresh_second":60}}',
    b'{"errcode":0,"resp_data":"{\\"list\\":[{\\"refDate\\":\\"20170313\\",\\"sessionCnt\\":1}]}"}',
    b"<html><body>502 Bad Gateway</body></html>",
)
HTTP = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Date: Mon, 13 Mar 2017 00:00:00 GMT\r\n\r\n%s",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s",
)


def corpus() -> list[bytes]:
    """Return real answers, as bodies and as what comes over the wire."""
    wired = [b"\1" + frame % (len(answer), answer) for answer in ANSWERS for frame in HTTP]
    return [*(b"\0" + answer for answer in ANSWERS), *wired]


def written(answer: Answer) -> None:
    rows = rows_of(REPORT, PERIOD, "wx1", checked(answer, "/path"), FETCHED_AT)
    for encode in FORMATS.values():
        encode(REPORT, rows)


READERS: tuple[Callable[[Answer], object], ...] = (
    written,
    partial(quota_in, path="/path"),
    partial(issued_by, path="/path"),
    by_cloud_function("e", "f")(REPORT, PERIOD).read,
)


def read(body: bytes) -> None:
    """Read a body in each way that we read one."""
    answer = decode(body, INVOKE_PATH)
    for reader in READERS:
        with suppress(WeChatError):
            reader(answer)


def receive(wired: bytes) -> None:
    """Ask a server that answers with these bytes and hangs up."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    theirs.sendall(wired[:65536])
    theirs.shutdown(socket.SHUT_WR)
    with theirs, patch.object(bounded._BoundedConnection, "_new_conn", lambda _: ours):
        Transport("http://127.0.0.1:9", Network(timeout=5), tries=1).get(
            "/path", {}, read=lambda found: found
        )


def one_input(data: bytes) -> None:
    with suppress(WeChatError):
        (receive if data[:1] == b"\1" else read)(data[1:])


if __name__ == "__main__":
    for number, content in enumerate(corpus()):
        Path(sys.argv[1], f"real-{number}").write_bytes(content)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
