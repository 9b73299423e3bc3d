"""What README and docs show in Python can be copied, and their links lead somewhere."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_wechat.operators import visit_trend
from airflow_wechat.operators.check import WeChatCheckOperator
from airflow_wechat.timetables import ReportTimetable
from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from from_code import PARTS, expand, tables
from runs import connect
from shown import DOCS, PAGES, ROOT, all_blocks, name_of, text_of

KNOWN = vars(visit_trend) | {
    known.__name__: known
    for known in (
        ReportTimetable,
        WeChatCheckOperator,
        WeChatReportToObjectStorageOperator,
        WeChatReportToSqlOperator,
        timedelta,
    )
}
PYTHON = all_blocks("python")
TASKS = [block for _, block in PYTHON if block.startswith("WeChat")]
TIMETABLES = [block for _, block in PYTHON if block.startswith("ReportTimetable(")]
DAG_FILES = [block for _, block in PYTHON if re.search(r"^with DAG\(", block, flags=re.MULTILINE)]
SCRIPTS = [block for _, block in PYTHON if block not in (*TASKS, *TIMETABLES, *DAG_FILES)]
INCLUDED = [
    (page, file, options)
    for page in DOCS
    for file, options in re.findall(
        r"^```\{literalinclude\} (\S+)\n(.*?)^```", page.read_text(), re.DOTALL | re.M
    )
]


@pytest.mark.parametrize("code", TASKS, ids=lambda code: code.partition("(")[0])
def test_a_task_that_is_shown_can_be_copied(code):
    with DAG(dag_id="shown", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        exec(code, dict(KNOWN))

    assert dag.task_ids == ["load"]


@pytest.mark.parametrize("code", TIMETABLES)
def test_a_timetable_that_is_shown_can_be_copied(code):
    assert isinstance(eval(code, dict(KNOWN)), ReportTimetable)


@pytest.mark.parametrize("code", DAG_FILES, ids=lambda code: re.search(r'dag_id="(\w+)"', code)[1])
def test_a_dag_that_is_shown_is_read_by_airflow(code, tmp_path):
    from airflow.models import DagBag

    file = tmp_path / "shown.py"
    file.write_text(code)

    bag = DagBag(file)

    assert bag.import_errors == {}
    [dag] = bag.dags.values()
    assert dag.task_ids == ["load"]


def test_scripts_are_shown():
    assert SCRIPTS


@pytest.mark.parametrize("code", SCRIPTS, ids=lambda code: code.splitlines()[0])
def test_a_script_that_is_shown_runs(code, wechat):
    names: dict[str, object] = {}

    exec(code, names)

    assert len(names.get("rows", [1])) == 1


@pytest.mark.parametrize(
    ("page", "file", "options"), INCLUDED, ids=lambda value: getattr(value, "name", None)
)
def test_what_a_page_includes_is_there(page, file, options):
    marks = re.findall(r'^:(?:start-after|end-before|start-at): "?(.+?)"?$', options, flags=re.MULTILINE)

    text = (page.parent / file).read_text()

    assert marks
    assert [mark for mark in marks if mark not in text] == []


def test_every_sample_dag_is_shown():
    shown = "".join(options for _, _, options in INCLUDED)
    regions = re.findall(r"# \[START (\w+)\]", "".join(file.read_text() for file in ROOT.glob("dags/*.py")))

    assert [name for name in regions if f"[START {name}]" not in shown] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_into_the_project_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())

    assert [
        link for link in links if not link.startswith("https://") and not (page.parent / link).exists()
    ] == []


def test_every_page_is_in_the_table_of_contents():
    listed = re.findall(r"^(\w[\w/-]+)$", (ROOT / "docs/index.md").read_text(), flags=re.MULTILINE)
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in DOCS}

    assert {page for page in pages if not page.startswith("decisions/")} - {*listed} == {"index"}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_made_from_the_code_stands_in_a_page(part):
    asked = [page for page in DOCS if f"<!-- from the code: {part} -->" in page.read_text()]

    assert len(asked) == 1
    assert "<!-- from the code" not in text_of(asked[0])


def test_a_page_that_asks_for_what_is_not_there_is_refused():
    with pytest.raises(KeyError, match="nothing"):
        expand("before\n<!-- from the code: nothing -->\nafter")


def test_an_option_of_airflows_configuration_would_have_its_line(monkeypatch):
    option = {"description": "The connection\nto read, as ``warehouse``.", "type": "string", "default": ""}
    monkeypatch.setattr(
        tables, "get_provider_info", lambda: {"config": {"wechat": {"options": {"conn_id": option}}}}
    )

    assert (
        "| `[wechat] conn_id` | not set | The connection to read, as `warehouse`. |" in tables.configuration()
    )


class _Summaries(BaseHTTPRequestHandler):
    """WeChat's getDailySummary, which the sandbox does not play."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        row = {"ref_date": asked.get("begin_date"), "visit_total": 391, "share_pv": 572, "share_uv": 383}
        token = {"access_token": "T", "expires_in": 7200}
        answer = token if urlsplit(self.path).path == "/cgi-bin/stable_token" else {"list": [row]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Be silent."""


@pytest.fixture
def summaries(connect_wechat):
    with HTTPServer(("127.0.0.1", 0), _Summaries) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connect_wechat(host=f"http://127.0.0.1:{server.server_port}", port=None)
        yield server
        server.shutdown()


def test_the_report_of_ones_own_that_is_shown_lands(summaries, tmp_path, monkeypatch):
    [code] = [code for code in DAG_FILES if "daily_summary" in code]
    names: dict[str, object] = {}
    connect(monkeypatch, "warehouse", {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")})
    run = SimpleNamespace(data_interval_end=None, run_after=datetime(2026, 2, 1, 16, 30, tzinfo=UTC))

    exec(code, names)
    names["load"].function(dag_run=run)

    with sqlite3.connect(tmp_path / "warehouse.db") as warehouse:
        query = "SELECT period_start, visit_total, share_pv, share_uv FROM wechat_daily_summary"
        assert warehouse.execute(query).fetchall() == [(str(date(2026, 2, 1)), 391, 572, 383)]
