"""What the README says is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_wechat.client import errors
from airflow_wechat.client.errors import ERRCODES, WeChatError
from airflow_wechat.client.reports import REPORTS
from airflow_wechat.hooks.wechat import client_of
from airflow_wechat.operators import visit_trend

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in README.splitlines() if line[:1] == "|"
]

ERRORS = [
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, WeChatError)
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def row_of(name: str) -> list[str]:
    [row] = [row for row in ROWS if row[0] == f"`{name}`"]
    return row


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_has_its_line_with_its_errcodes_and_whether_it_is_retried(name):
    kind = getattr(errors, name)
    _, codes, retried, _ = row_of(name)

    assert {int(code) for code in re.findall(r"-?\d+", codes)} >= {
        code for code, known in ERRCODES.items() if known.error is kind
    }
    assert retried == ("yes" if kind.retryable else "no")


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_has_its_line(report):
    assert row_of(report)


def test_the_columns_are_listed_in_their_order():
    names = [column.name for column in REPORTS["daily_visit_trend"].columns]
    listed = [row[0] for row in ROWS]

    assert [name for name in listed if name.strip("`") in names and name[0] == "`"] == [
        f"`{n}`" for n in names
    ]


@pytest.mark.parametrize(
    "name", [name for name in vars(visit_trend) if re.fullmatch(r"WeChat\w+TrendOperator", name)]
)
def test_every_operator_is_mentioned(name):
    assert f"`{name}`" in README


def test_the_dag_that_is_shown_is_short():
    [code] = [block for block in blocks("python") if "import WeChatReportToSqlOperator" in block]

    assert len([line for line in code.splitlines() if line and "import" not in line]) <= 12


@pytest.mark.parametrize(
    "line", [line for block in blocks("bash") for line in block.splitlines() if "AIRFLOW_CONN" in line]
)
def test_every_connection_shown_is_complete(line, monkeypatch):
    name, value = shlex.split(line)[1].split("=", maxsplit=1)
    monkeypatch.setenv(name, value)

    client = client_of(BaseHook.get_connection("wechat_default"))

    assert client.app_id == "wx0123456789abcdef"
    assert client._transport.base_url == "https://api.weixin.qq.com"


SAMPLES = "\n".join(file.read_text() for file in (ROOT / "dags").glob("*.py"))


@pytest.mark.parametrize(
    "dag_id", [*(f"wechat_{report}" for report in REPORTS), *re.findall(r'dag_id="(\w+)"', SAMPLES)]
)
def test_every_sample_dag_is_mentioned(dag_id):
    assert f"`{dag_id}`" in README
