"""What README and docs show of tasks can be copied, and their links lead somewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_wechat.operators import visit_trend
from airflow_wechat.operators.check import WeChatCheckOperator
from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
KNOWN = vars(visit_trend) | {
    operator.__name__: operator
    for operator in (WeChatCheckOperator, WeChatReportToObjectStorageOperator, WeChatReportToSqlOperator)
}
TASKS = [
    block
    for page in PAGES
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    if block.startswith("WeChat")
]


@pytest.mark.parametrize("code", TASKS, ids=lambda code: code.partition("(")[0])
def test_a_task_that_is_shown_can_be_copied(code):
    with DAG(dag_id="shown", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        exec(code, dict(KNOWN))

    assert dag.task_ids == ["load"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_project_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())

    assert [
        link for link in links if not link.startswith("https://") and not (page.parent / link).exists()
    ] == []
