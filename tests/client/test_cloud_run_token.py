from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from airflow_wechat.client.errors import FixCredentialsError, RenewTokenError
from airflow_wechat.client.secret import Secret
from airflow_wechat.client.token_sources.cloud_run import CloudRunToken

HTTP, HTTPS, LOCAL = "http://api.weixin.qq.com", "https://api.weixin.qq.com", "http://127.0.0.1:8000"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("cloudbase-token\n")
    return tmp_path / "token"


@pytest.mark.parametrize("base_url", [HTTPS, LOCAL])
def test_the_token_in_the_file_is_sent_where_nobody_listens_in(base_url: str, file: Path) -> None:
    assert CloudRunToken(base_url, file).token() == "cloudbase-token"


def test_over_plain_http_no_token_is_sent_even_where_there_is_one(file: Path) -> None:
    assert CloudRunToken(HTTP, file).token() == ""


@pytest.mark.parametrize("base_url", [HTTP, LOCAL])
def test_no_file_means_no_token(base_url: str, tmp_path: Path) -> None:
    assert CloudRunToken(base_url, tmp_path / "none").token() == ""


def test_https_without_the_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FixCredentialsError) as caught:
        CloudRunToken(HTTPS, tmp_path / "none").token()

    assert str(caught.value) == (
        f"token_source=none over https needs a token in the file {tmp_path / 'none'}. What to do: run the "
        "worker inside WeChat Cloud Run with its token switched on in the console, or make the "
        "connection's host "
        "http://api.weixin.qq.com, which works there without a token."
    )


@pytest.mark.parametrize("content", [b"", b" \n", b"CANARY \xff"])
def test_a_file_without_a_token_is_as_none_and_not_repeated(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(FixCredentialsError, match="needs a token in the file") as caught:
        CloudRunToken(HTTPS, file).token()

    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_the_platform_may_renew_the_file_at_any_time(file: Path) -> None:
    source = CloudRunToken(HTTPS, file)
    stale = source.token()
    file.write_text("another-token")

    assert source.token() == source.renewed(stale) == "another-token"


def test_a_refusal_of_the_token_in_the_file_says_what_to_do(file: Path) -> None:
    with pytest.raises(RenewTokenError) as caught:
        CloudRunToken(HTTPS, file).renewed(Secret("cloudbase-token"))

    assert str(caught.value) == (
        "WeChat refuses a call with token_source=none. What to do: run the worker inside WeChat Cloud Run, "
        "with the call's path among the interfaces that its console permits."
    )
