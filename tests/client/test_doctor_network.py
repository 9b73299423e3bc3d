"""What the doctor finds on the way to the host: its name and its certificate."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from airflow_wechat.doctor.checks import examine
from airflow_wechat.doctor.findings import State
from airflow_wechat.doctor.network import within
from client.examined import Findings, patient_by
from client.sandboxed import DAILY, QUOTA, STABLE
from client.scripted import ScriptedServer, hanging_up, serving

OK, WARNING, FAILED, SKIPPED = State.OK, State.WARNING, State.FAILED, State.SKIPPED
AUTHORITY = trustme.CA()  # one that no machine trusts


@pytest.fixture
def trusted(tmp_path: Path) -> str:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return str(tmp_path / "authority.pem")


def certified(ends: datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1", not_after=ends).configure_cert(context)
    return context


@pytest.fixture
def host() -> Iterator[ScriptedServer]:
    """A WeChat with a certificate, which has nothing to say but that the secret is wrong."""
    with serving(context=certified()) as server:
        server.on(STABLE, {"errcode": 40125, "errmsg": "invalid appsecret"})
        yield server


def found_at(url: str, **extra: Any) -> Findings:
    fields = {"login": "wx1", "password": "s", "host": url, "extra": {"timeout": 5, **extra}}
    return {finding.check: finding for finding in examine(patient_by(fields))}


def test_a_host_that_answers_with_a_good_certificate_is_found_well(trusted: str) -> None:
    with serving(context=certified()) as server:
        server.on(STABLE, {"access_token": "t", "expires_in": 7200})
        server.on(DAILY.path, {"errcode": 61503, "errmsg": "data not ready"})
        server.on(QUOTA, {"quota": {"daily_limit": 100, "used": 1, "remain": 99}})

        found = found_at(server.url, ca_bundle=trusted)

    assert [found[name].state for name in ("dns", "tls", "token", "permission daily_visit_trend")] == [OK] * 4
    assert found["dns"].words == "127.0.0.1 is 127.0.0.1"
    assert f"the certificate of {server.host} ends 3000-01-01" in found["tls"].words
    assert len(server.asked(DAILY.path)) == 1


# The name


def test_a_name_that_is_not_found_ends_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    found = found_at("https://api.weixin.example")

    assert found["dns"].state is FAILED
    assert found["dns"].words == "api.weixin.example is not found: gaierror: Name or service not known"
    assert "correct the host" in found["dns"].to_do
    assert {found[name].words for name in ("tls", "token", "ip", "clock")} == {"dns failed"}


def test_a_name_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10))

    dns = found_at("https://api.weixin.example", timeout=0.05)["dns"]

    over.set()
    assert (dns.state, dns.words) == (FAILED, "no answer for api.weixin.example within 0.05 s")


def test_a_name_that_is_none_fails() -> None:
    assert found_at(f"https://{'a' * 64}.example")["dns"].state is FAILED


# The certificate


def test_a_certificate_that_ends_soon_is_worth_a_warning(trusted: str) -> None:
    ends = datetime.now(UTC) + timedelta(days=13, hours=1)
    with serving(context=certified(ends)) as server:
        tls = found_at(server.url, ca_bundle=trusted)["tls"]

    assert tls.state is WARNING
    assert f"ends {ends:%Y-%m-%d}, in 13 days" in tls.words
    assert "renews it in time" in tls.to_do


def test_a_certificate_that_nobody_vouches_for_fails_before_anything_is_sent(host: ScriptedServer) -> None:
    found = found_at(host.url)

    assert found["tls"].state is FAILED
    assert "is not accepted: unable to get local issuer certificate" in found["tls"].words
    assert "ca_bundle" in found["tls"].to_do
    assert found["token"].words == "tls failed"
    assert host.requests == []


def test_a_certificate_that_has_ended_fails(trusted: str) -> None:
    with serving(context=certified(datetime.now(UTC) - timedelta(days=1))) as server:
        tls = found_at(server.url, ca_bundle=trusted)["tls"]

    assert (tls.state, "certificate has expired" in tls.words) == (FAILED, True)


def test_a_certificate_of_another_host_fails(host: ScriptedServer, trusted: str) -> None:
    tls = found_at(host.url.replace("127.0.0.1", "localhost"), ca_bundle=trusted)["tls"]

    assert (tls.state, "not valid for 'localhost'" in tls.words) == (FAILED, True)


def test_the_environments_certificates_count_as_they_do_for_requests(
    host: ScriptedServer, trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", trusted)

    found = found_at(host.url)

    assert (found["tls"].state, "40125" in found["token"].words) == (OK, True)


def test_certificates_that_are_not_there_are_named(
    host: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")

    tls = found_at(host.url)["tls"]

    assert tls.state is FAILED
    assert "/nowhere/ca.pem" in tls.words
    assert "REQUESTS_CA_BUNDLE" in tls.to_do


# A host that does not speak


def test_a_port_where_nobody_listens_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    tls = found_at(f"https://127.0.0.1:{port}")["tls"]

    assert tls.state is FAILED
    assert "ConnectionRefusedError" in tls.words
    assert f"let this machine reach 127.0.0.1, port {port}" in tls.to_do


def test_a_host_that_hangs_up_fails() -> None:
    with hanging_up() as host:
        assert found_at(f"https://{host}")["tls"].state is FAILED


def test_a_host_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tls = found_at(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)["tls"]

    assert (tls.state, "TimeoutError" in tls.words) == (FAILED, True)


def test_what_takes_too_long_is_left_alone() -> None:
    over = threading.Event()

    with pytest.raises(TimeoutError):
        within(0.01, lambda: over.wait(10))

    over.set()


def test_what_goes_wrong_in_time_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)


# Another way


@pytest.fixture
def proxy() -> Iterator[ScriptedServer]:
    with serving() as running:
        yield running


def by_option(proxy: ScriptedServer, _: pytest.MonkeyPatch) -> dict[str, str]:
    return {"proxy": f"http://user:PASSWORD-of-proxy@{proxy.host}"}


def by_environment(proxy: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("https_proxy", f"http://user:PASSWORD-of-proxy@{proxy.host}")
    return {}


@pytest.mark.parametrize(("name", "whose"), [(by_option, "connection's"), (by_environment, "environment's")])
def test_through_a_proxy_the_token_shows_whether_the_way_is_open(
    proxy: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    name: Callable[[ScriptedServer, pytest.MonkeyPatch], dict[str, str]],
    whose: str,
) -> None:
    found = found_at("https://api.weixin.example", **name(proxy, monkeypatch))

    for check in ("dns", "tls"):
        assert (found[check].state, f"the {whose} proxy" in found[check].words) == (SKIPPED, True)
    assert found["token"].state is FAILED
    assert len(proxy.requests) == 1
    assert "PASSWORD" not in json.dumps([finding.fields for finding in found.values()])


def test_a_host_that_the_proxy_is_not_for_is_looked_at(
    host: ScriptedServer, trusted: str, proxy: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    assert found_at(host.url, ca_bundle=trusted)["tls"].state is OK
    assert proxy.requests == []
