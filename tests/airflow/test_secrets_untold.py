"""No secret is told by what Airflow keeps and shows: logs, errors, XCom, fields, triggers, files, tables."""

from __future__ import annotations

import json
import signal
from datetime import date
from importlib.util import find_spec
from itertools import count, product

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from tenacity import wait_none

from airflow_wechat.client.errors import WeChatError
from airflow_wechat.client.transport import Transport
from airflow_wechat.hooks import kept_secrets
from airflow_wechat.hooks.wechat import WeChatHook
from airflow_wechat.operators.visit_trend import WeChatDailyVisitTrendOperator
from airflow_wechat.sandbox.roads import ROADS
from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from airflow_wechat.triggers.report import ReportPublishedTrigger
from canaries import Canaries, spelled_in
from client.guarded import PLACES, guarded_sandbox, listening, only_at, refused
from client.own_troubles import some_of
from client.sandboxed import DAILY
from client.troubled import TOKEN_PATHS
from forked import die_at, side_by_side
from proof.figures import figure, trial
from runs import connect, context_of_run
from structured_logs import structured_logged

PART = "secrets"
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 3)

every_road = pytest.mark.parametrize(
    "road", [pytest.param(road, marks=pytest.mark.quick_proof) for road in ROADS], indirect=True
)
thoroughly = pytest.mark.parametrize(
    ("road", "place"),
    [
        pytest.param(road, place, marks=pytest.mark.quick_proof if road == "classic" else pytest.mark.proof)
        for road, place in PLACES
    ],
    indirect=["road"],
)
"""Every road, for a quick look only one of them."""


@pytest.fixture
def canaries():
    return Canaries()


@pytest.fixture(autouse=True)
def _unmasked_and_without_waits(monkeypatch):
    """Airflow's masker would hide from this search what is told all the same."""
    monkeypatch.setattr(kept_secrets, "hide_from_logs", lambda _: None)
    defaults = Transport.__init__.__kwdefaults__ | {"waits": wait_none()}
    monkeypatch.setattr(Transport.__init__, "__kwdefaults__", defaults)


@pytest.fixture
def sandbox(canaries, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with guarded_sandbox(canaries, monkeypatch, tmp_path) as running:
        yield running


@pytest.fixture
def road(request, sandbox, monkeypatch):
    """Each road, behind ``wechat_default``."""
    connect(monkeypatch, "wechat_default", sandbox.connection_of(sandbox.app, request.param))
    return request.param


@pytest.fixture
def told(canaries, monkeypatch, capfd, tmp_path):
    with listening(canaries, monkeypatch, capfd, tmp_path) as running, structured_logged(running.log):
        yield running


def operators(folder, **arguments):
    dates = {"begin_date": str(FIRST), "end_date": str(LAST)} | arguments
    return [
        WeChatDailyVisitTrendOperator(task_id="fetch", **dates),
        WeChatReportToSqlOperator(task_id="load", report=DAILY.name, sql_conn_id="wechat_target", **dates),
        WeChatReportToObjectStorageOperator(
            task_id="keep", report=DAILY.name, path=str(folder / "lake"), **dates
        ),
    ]


def run(operator):
    """Run a task; give what it returned, and what ended it."""
    try:
        return operator.execute(context_of_run()), ()
    except (WeChatError, AirflowFailException, TaskDeferred) as error:
        return None, (error,)


def rendered(operator):
    return json.dumps({name: getattr(operator, name) for name in operator.template_fields}, default=str)


def lineage(operator):
    """What OpenLineage is told, where it is installed."""
    installed = find_spec("airflow.providers.openlineage")
    return operator.get_openlineage_facets_on_complete(None) if installed else None


def trigger_of(error):
    return error.trigger if isinstance(error, TaskDeferred) else None


@pytest.fixture
def check(told):
    """See that nothing that a task has left behind tells a secret."""

    def everywhere(operator, result, errors):
        triggers = [trigger for error in errors if (trigger := trigger_of(error))]
        stored = [trigger.serialize() for trigger in triggers]
        kept = [vars(error) for error in errors if isinstance(error, TaskDeferred)]
        hook = operator.hook
        told.check(
            *(json.dumps(result), rendered(operator), operator, hook, hook.client, vars(hook)),
            *(*triggers, *stored, *kept),
            errors=errors,
        )

    return everywhere


@pytest.mark.quick_proof
@pytest.mark.parametrize("way", ["debug", "info", "exception"])
def test_what_a_tasks_own_logger_is_told_is_searched(told, canaries, tmp_path, way):
    with figure(
        PART, "negative control: what the loggers of tasks and hooks are told is searched"
    ) as counted:
        for logged in (*operators(tmp_path), WeChatHook()):
            with counted.trial(logged):
                getattr(logged.log, way)("told %s", canaries("leak"))
                assert spelled_in(told.log.text, canaries.planted[-1])
                told.log.lines.clear()


@every_road
def test_a_task_that_succeeds_leaves_no_secret(sandbox, road, sqlite_target, tmp_path, check, told):
    with figure(PART, "a task that succeeds: XCom, rendered fields, files, tables, lineage, logs") as counted:
        for operator in operators(tmp_path):
            with counted.trial((road, operator.task_type)):
                result, errors = run(operator)
                assert result and not errors
                check(operator, result, errors)
        with counted.trial((road, "lineage")):
            told.check(*(lineage(operator) for operator in operators(tmp_path)[1:]), heard=False)
        with counted.trial((road, "the Test button")):
            good, words = WeChatHook().test_connection()
            assert good
            told.check(words)


TROUBLES = {
    "permission taken away": lambda call: refused(48001, call),
    "token ended for good": lambda call: refused(40001, call),
    "busy": lambda call: refused(-1, call),
    "quota used up": lambda call: refused(45009, call),
    "not ready": lambda call: refused(61503, call),
    "HTML": lambda call: f"<html>{refused(0, call)}".encode(),
    "HTTP 503": lambda _: 503,
    "no answer": lambda _: ConnectionError,
}


BEGINS = {"token": [0], "report": [0, 1]}
"""After how many good answers a trouble may begin: at once, or in the middle of a range."""


@thoroughly
def test_a_task_that_fails_leaves_no_secret(sandbox, road, place, sqlite_target, tmp_path, check, told):
    with figure(PART, "a task that fails, in each way: exception, state, rendered fields, logs") as counted:
        for name, answer in TROUBLES.items():
            there = only_at(place, answer)
            for begin, operator in product(BEGINS[place], operators(tmp_path)):
                sandbox.instead = some_of(there, begin)
                with counted.trial((road, name, begin, operator.task_type)):
                    result, errors = run(operator)
                    assert errors
                    check(operator, result, errors)
            sandbox.instead = there
            good, words = WeChatHook().test_connection()
            if not good:  # it may not have got so far as to meet the trouble
                with counted.trial((road, name, "the Test button")):
                    told.check(words)


@every_road
def test_a_task_that_waits_leaves_no_secret(sandbox, road, sqlite_target, tmp_path, check, told):
    sandbox.instead = lambda call: (
        refused(61503, call) if call.path not in TOKEN_PATHS and "quota" not in call.path else None
    )
    with figure(PART, "a task that waits: deferral, trigger, what Airflow stores of it, logs") as counted:
        for operator in operators(tmp_path, deferrable=True):
            with counted.trial((road, operator.task_type)):
                result, errors = run(operator)
                [deferred] = errors
                check(operator, result, errors)
                trigger = ReportPublishedTrigger(**deferred.trigger.serialize()[1])
                assert not trigger._any_worth_asking_for(WeChatHook())
                told.check(trigger, trigger.serialize(), vars(trigger))
        sandbox.instead = lambda call: refused(48001, call) if call.path not in TOKEN_PATHS else None
        with counted.trial((road, "a trouble that does not pass")):
            hook = WeChatHook()
            assert trigger._any_worth_asking_for(hook)
            told.check(trigger, hook, vars(hook))


class Written(list):
    """Writes down at once what is logged: whoever is killed keeps nothing."""

    def __init__(self, file):
        super().__init__()
        self._file = file

    def append(self, line):
        with self._file.open("a") as written:
            written.write(f"{line}\n")


def written_down(told, operator, file, edge=None):
    """Return what runs a task in another process, where what it logs goes to a file.

    :param edge: where the process kills itself
    """

    def load():
        told.log.lines = Written(file)
        die_at(edge)
        operator.execute(context_of_run())

    return load


@every_road
def test_a_load_that_is_killed_leaves_no_secret(sandbox, road, sqlite_target, tmp_path, told):
    _, load, _ = operators(tmp_path)
    file = tmp_path / "logged"
    run(load)
    with figure(PART, "a load that is killed: what it had logged, the database's files") as counted:
        for edge in count(2, 3):
            if side_by_side([written_down(told, load, file, edge)]) != [-signal.SIGKILL]:
                break
            logged = file.read_text()
            with counted.trial((road, edge)):
                told.check(heard=False)
    assert "connectionpool" in logged  # the last one at least had asked WeChat


@every_road
def test_loads_at_one_moment_leave_no_secret(sandbox, road, sqlite_target, tmp_path, told):
    files = [tmp_path / f"logged-{number}" for number in range(8)]
    loads = [written_down(told, operators(tmp_path)[1], file) for file in files]
    with trial(PART, "eight loads at one moment: what they log, the database's files"):
        assert side_by_side(loads) == [0] * 8
        assert all("connectionpool" in file.read_text() for file in files)
        told.check(heard=False)


def test_the_shared_classic_token_is_in_a_file_of_its_own_alone(sandbox, monkeypatch, tmp_path, canaries):
    """The one exception, so that the search above may pass over it."""
    connect(monkeypatch, "wechat_default", sandbox.connection_of(sandbox.app, "classic"))

    WeChatHook().fetch(DAILY, DAILY.granularity.period_of(FIRST))

    [folder] = [one for one in tmp_path.iterdir() if one.name.startswith("airflow-wechat-")]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert sandbox.app.secret not in "".join(file.read_text() for file in folder.iterdir())
