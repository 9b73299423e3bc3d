"""What a line may do to an answer, and how a call ends that meets it. Data."""

from __future__ import annotations

import gzip
import json
from datetime import date
from typing import NamedTuple

from airflow_wechat.client.errors import CheckAnswerError, TryAgainError, WeChatError
from airflow_wechat.sandbox.numbers import entry_of
from airflow_wechat.sandbox.rules import DEFAULT_APP
from bad_line import End, Fault
from client.sandboxed import DAILY

PERIOD = DAILY.granularity.period_of(date(2026, 3, 13))


def http(body: bytes = b"", status: str = "200 OK", *, sized: bool = True, **fields: str) -> bytes:
    """Write an answer down as it comes over the line, which ends with it unless ``Connection`` is given."""
    fields = {"Content_Type": "application/json; charset=utf-8", "Connection": "close", **fields}
    if sized:
        fields["Content_Length"] = str(len(body))
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def chunked(body: bytes) -> bytes:
    return http(body, sized=False, Transfer_Encoding="chunked")


JSON = json.dumps({"list": [entry_of(DEFAULT_APP.app_id, PERIOD, DAILY.fields)]}).encode()
HTML = b"<html><body>Please sign in to the network</body></html>"
CHUNKS = b"%x\r\n%s\r\n" % (len(JSON), JSON)
SPACES = b" " * 65536
AMID_HEADERS, AMID_BODY = 30, 250
DRIP, AGES = 0.1, 400
"""Seconds from byte to byte, and a number of bytes that then take much longer than anybody waits."""
HUGE = 100 * 1024 * 1024
BOMB = gzip.compress(b" " * HUGE)


class Case(NamedTuple):
    """A fault, and how a call ends that meets nothing else.

    :param error: ``None`` where WeChat's answer gets through
    :param stalls: only the time-out ends it
    """

    fault: Fault
    error: type[WeChatError] | None = None
    stalls: bool = False


def passing(*, stalls: bool = False, **fault: object) -> Case:
    return Case(Fault(**fault), TryAgainError, stalls)  # type: ignore[arg-type]


def refused(instead: bytes, **fault: object) -> Case:
    return Case(Fault(instead=instead, **fault), CheckAnswerError)  # type: ignore[arg-type]


def harmless(instead: bytes, **fault: object) -> Case:
    return Case(Fault(instead=instead, **fault))  # type: ignore[arg-type]


CASES = {
    # the connection
    "hung up at once": passing(reach=0),
    "hung up amid headers": passing(reach=AMID_HEADERS),
    "hung up amid body": passing(reach=AMID_BODY),
    "reset at once": passing(reach=0, then=End.RESET),
    "reset amid headers": passing(reach=AMID_HEADERS, then=End.RESET),
    "reset amid body": passing(reach=AMID_BODY, then=End.RESET),
    "silent": passing(reach=0, then=End.HOLD, stalls=True),
    "silent amid headers": passing(reach=AMID_HEADERS, then=End.HOLD, stalls=True),
    "silent amid body": passing(reach=AMID_BODY, then=End.HOLD, stalls=True),
    "slow headers": passing(drip=DRIP, stalls=True),
    "slow body": passing(drip=DRIP, full_speed=AMID_BODY, stalls=True),
    "a body that drips on": passing(
        instead=http(sized=False), without_end=b" ", drip=DRIP, full_speed=75, reach=AGES, stalls=True
    ),
    "a header that drips on": passing(
        instead=b"HTTP/1.1 200 OK\r\nX: ", without_end=b"x", drip=DRIP, full_speed=20, reach=AGES, stalls=True
    ),
    "100s that drip on": passing(
        instead=b"", without_end=b"HTTP/1.1 100 Continue\r\n\r\n", drip=DRIP, reach=AGES, stalls=True
    ),
    # the status
    **{
        status: passing(instead=http(HTML, status, Content_Type="text/html"))
        for status in ("500 X", "502 Bad Gateway", "503 X", "504 X", "520 X", "429 Too Many Requests")
    },
    **{
        status: refused(http(HTML, status, Location="http://127.0.0.1:9/elsewhere"))
        for status in ("301 X", "302 Found", "303 X", "307 X", "308 X", "400 X", "403 X", "404 X", "413 X")
    },
    **{status: refused(http(b"", status)) for status in ("101 X", "103 Early Hints", "204 X", "304 X")},
    "201 with the answer": refused(http(JSON, "201 Created")),
    # the headers
    "another protocol": passing(instead=b"SSH-2.0-OpenSSH_9.2\r\n"),
    "a status that is none": passing(instead=b"HTTP/1.1 OK\r\n\r\n"),
    "a header without end": passing(instead=b"HTTP/1.1 200 OK\r\nX: ", without_end=SPACES),
    "headers without end": passing(instead=b"HTTP/1.1 200 OK\r\n", without_end=b"X: x\r\n" * 1000),
    "100s without end": refused(b"", without_end=b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "a date that is none": harmless(http(JSON, Date="Mon, 24 Nov 2026 10:00:00 +99999999999999999999")),
    "a date before time": harmless(http(JSON, Date="Mon, 01 Jan 0001 00:00:00 -0000")),
    "cookies": harmless(http(JSON, Set_Cookie="a=b; Expires=never; Max-Age=x; Domain=.com; Path=nowhere")),
    "a length too small": refused(http(JSON, sized=False, Content_Length="100")),
    "a length too great": passing(instead=http(JSON, sized=False, Content_Length="1000")),
    "a length that is none": harmless(http(JSON, sized=False, Content_Length="x")),
    "a negative length": harmless(http(JSON, sized=False, Content_Length="-5")),
    "no length": harmless(http(JSON, sized=False)),
    "text/plain": harmless(http(JSON, Content_Type="text/plain")),
    "text/html": harmless(http(JSON, Content_Type="text/html; charset=gbk")),
    "a charset that is none": harmless(http(JSON, Content_Type="application/json; charset=x")),
    # the body
    "HTML with 200": refused(http(HTML, Content_Type="text/html")),
    "nothing with 200": refused(http()),
    "cut-off JSON with its length": refused(http(JSON[:-1])),
    "another JSON": refused(http(b'{"status":"ok"}')),
    "a list": refused(http(b"[]")),
    "GBK": refused(http(JSON.replace(b'"list"', b'"note":"' + "访问".encode("gbk") + b'","list"'))),
    "UTF-16": refused(http(JSON.decode().encode("utf-16"))),
    "a body without end": refused(http(sized=False), without_end=SPACES),
    "a body of 100 MB": refused(http(sized=False, Content_Length=str(HUGE)), without_end=SPACES),
    "gzip": harmless(http(gzip.compress(JSON), Content_Encoding="gzip")),
    "gzip unasked and unnamed": refused(http(gzip.compress(JSON))),
    "gzip that is none": passing(instead=http(JSON, Content_Encoding="gzip")),
    "gzip cut off": refused(http(gzip.compress(JSON)[:40], Content_Encoding="gzip")),
    "gzip of 100 MB": refused(http(BOMB, Content_Encoding="gzip")),
    "gzip of gzip of 100 MB": refused(http(gzip.compress(BOMB), Content_Encoding="gzip, gzip")),
    "an encoding that is none": harmless(http(JSON, Content_Encoding="x")),
    "chunks": harmless(chunked(CHUNKS + b"0\r\n\r\n")),
    "chunks without the last": passing(instead=chunked(CHUNKS)),
    "a chunk cut off": passing(instead=chunked(CHUNKS[:100])),
    "a chunk of no size": passing(instead=chunked(b"x\r\n" + CHUNKS)),
    "a chunk of a negative size": passing(instead=chunked(b"-5\r\n" + CHUNKS)),
    "a chunk of a huge size": passing(instead=chunked(b"f" * 30 + b"\r\n" + CHUNKS)),
    "trailers without end": refused(chunked(CHUNKS + b"0\r\n"), without_end=b"X: x\r\n" * 1000),
}
"""Every fault by its name."""

PROXIES = {
    "drips when asked to connect": Fault(
        instead=b"HTTP/1.1 200", without_end=b"x", drip=DRIP, full_speed=12, reach=AGES
    ),
    "is silent in the handshake": Fault(reach=0, then=End.HOLD),
    "drips in the handshake": Fault(drip=DRIP),
    "is silent amid the answer": Fault(reach=1500, then=End.HOLD),
}
"""What a proxy may do. All of it stalls."""
