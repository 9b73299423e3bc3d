"""The Redis that the tests with Celery run on."""

from __future__ import annotations

import socket

import pytest
import redis

from needed_servers import need
from redis_server import RedisServer, redis_binary


@pytest.fixture(autouse=True)
def redis_installed():
    need(redis_binary(), "redis-server")


def test_serves_where_it_says_and_is_gone_afterwards(tmp_path):
    with RedisServer(tmp_path) as server, redis.Redis.from_url(server.uri) as client:
        assert client.set("a", "1")

    with redis.Redis.from_url(server.uri) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_wants_its_password(tmp_path):
    with (
        RedisServer(tmp_path) as server,
        redis.Redis(host=server.host, port=server.port, password="wrong") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_forgets_everything_with_its_end(tmp_path):
    with RedisServer(tmp_path) as server, redis.Redis.from_url(server.uri) as client:
        client.set("a", "1")

    with RedisServer(tmp_path) as server, redis.Redis.from_url(server.uri) as client:
        assert client.keys() == []
    assert {file.name for file in tmp_path.iterdir()} == {"redis.log"}


def test_says_what_redis_said(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind((RedisServer.host, 0))
        monkeypatch.setattr("redis_server._free_port", lambda host: taken.getsockname()[1])

        with pytest.raises(RuntimeError, match="already in use"):
            RedisServer(tmp_path).start()
