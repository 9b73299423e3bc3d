"""A real server that speaks S3, in a process of its own, and what one needs to use it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.processes import free_ports, wait_until

boto3 = pytest.importorskip("boto3", reason="the amazon provider is not installed")
pytest.importorskip("moto", reason="moto is not installed")

from botocore.exceptions import BotoCoreError  # noqa: E402

SECRET = "s3+secret/canary="
_KEY, _REGION = "canary", "us-east-1"


@contextmanager
def running_s3() -> Iterator[str]:
    """Run a server on loopback, and give its address."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url), "the S3 server answers", timeout=120)
        yield url
    finally:
        server.kill()
        server.wait()


def connection_to(url: str) -> dict[str, Any]:
    """Return the fields of an Airflow connection to a server."""
    # botocore tries again for many seconds; s3fs does so as well, and Airflow too.
    retries = {"config_kwargs": {"retries": {"max_attempts": 0}}}
    extra = {"endpoint_url": url, "region_name": _REGION, **retries}
    return {"conn_type": "aws", "login": _KEY, "password": SECRET, "extra": json.dumps(extra)}


class Bucket:
    """A bucket, made when this is."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._client = _client(url)
        self._client.create_bucket(Bucket=name)

    def deny_writing(self) -> None:
        """Let nobody write any more."""
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{self.name}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._client.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))

    def contents(self) -> dict[str, bytes]:
        """Return all objects by their keys."""
        found = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {each["Key"]: self._read(each["Key"]) for each in found}

    def _read(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self.name, Key=key)["Body"].read()


def _client(url: str) -> Any:
    login = {"aws_access_key_id": _KEY, "aws_secret_access_key": SECRET, "region_name": _REGION}
    return boto3.client("s3", endpoint_url=url, **login)


def _answers(url: str) -> bool:
    try:
        _client(url).list_buckets()
    except BotoCoreError:
        return False
    return True
