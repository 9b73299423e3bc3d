"""What OpenLineage is told; that it is told at all shows the end-to-end test."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from airflow.providers.common.compat.sdk import BaseHook

from airflow_wechat.client.reports import REPORTS
from airflow_wechat.transfers.lineage import Output, output_of_table
from airflow_wechat.transfers.report_to_object_storage import WeChatReportToObjectStorageOperator
from airflow_wechat.transfers.report_to_sql import WeChatReportToSqlOperator
from runs import connect

pytest.importorskip("airflow.providers.openlineage", reason="needs apache-airflow-providers-openlineage")

COLUMNS = REPORTS["weekly_visit_trend"].columns


def told(**arguments):
    """What the task tells when it has succeeded."""
    operator = WeChatReportToSqlOperator(
        task_id="load", report="weekly_visit_trend", sql_conn_id="wechat_target", **arguments
    )
    [dataset] = operator.get_openlineage_facets_on_complete(None).outputs
    return dataset


@pytest.fixture
def postgres(postgres_server, monkeypatch):
    server = postgres_server
    fields = {"conn_type": "postgres", "host": server.host, "port": server.port, "schema": "postgres"}
    connect(monkeypatch, "wechat_target", fields | {"login": server.user, "password": server.password})
    return server


def test_a_table_in_postgresql_has_the_name_that_its_own_operators_give_it(postgres):
    dataset = told()

    assert dataset.namespace == f"postgres://{postgres.host}:{postgres.port}"
    assert dataset.name == "postgres.public.wechat_weekly_visit_trend"


def test_a_tables_schema_is_in_its_name(postgres):
    assert told(table="ods.visits").name == "postgres.ods.visits"


def test_a_table_in_sqlite_is_named_by_its_file(sqlite_target):
    dataset = told()

    assert (dataset.namespace, dataset.name) == ("sqlite", f"{sqlite_target}.wechat_weekly_visit_trend")


def test_the_columns_come_with_their_types_and_meanings(sqlite_target):
    fields = told().facets["schema"].fields

    assert [(field.name, field.type, field.description) for field in fields] == [
        (column.name, column.type.value, column.comment) for column in COLUMNS
    ]


@pytest.mark.parametrize(
    ("path", "output"),
    [
        ("s3://aws_default@lake/wechat/", ("s3://lake", "wechat/weekly_visit_trend")),
        ("s3://lake", ("s3://lake", "weekly_visit_trend")),
        ("gcs://lake/wechat", ("gs://lake", "wechat/weekly_visit_trend")),
        ("file:///data/wechat", ("file", "/data/wechat/weekly_visit_trend")),
        ("/data/wechat", ("file", "/data/wechat/weekly_visit_trend")),
    ],
)
def test_files_are_named_by_the_folder_of_their_report(path, output):
    operator = WeChatReportToObjectStorageOperator(task_id="load", report="weekly_visit_trend", path=path)

    [dataset] = operator.get_openlineage_facets_on_complete(None).outputs

    assert (dataset.namespace, dataset.name) == output
    assert [field.name for field in dataset.facets["schema"].fields] == [column.name for column in COLUMNS]


class _Hook(BaseHook):
    """A hook that says of its database what the one of MySQL, or of Snowflake, says."""

    connection = None

    def __init__(self, schema, **info):
        self.schema = schema
        self.info = SimpleNamespace(**{"database": None, "is_uppercase_names": False} | info)

    def get_openlineage_database_info(self, connection):
        return self.info

    def get_openlineage_default_schema(self):
        return self.schema


@pytest.mark.parametrize(
    ("hook", "output"),
    [
        (
            _Hook(None, scheme="mysql", authority="db:3306"),
            Output("mysql://db:3306", "shop.visits"),
        ),
        (
            _Hook("ods", scheme="snowflake", authority="org-acc", database="dwh", is_uppercase_names=True),
            Output("snowflake://org-acc", "DWH.ODS.VISITS"),
        ),
    ],
    ids=["mysql", "snowflake"],
)
def test_other_databases_are_named_as_their_hooks_say(hook, output):
    url = sa.engine.make_url("other://user:password@db:3306/shop")

    assert output_of_table(hook, url, None, "visits") == output


def test_a_database_that_openlineage_does_not_know_is_named_without_user_and_password():
    hook = SimpleNamespace(connection=None, get_openlineage_database_info=lambda connection: None)
    url = sa.engine.make_url("ora+thin://user:password@db:1521/shop")

    assert output_of_table(hook, url, "ods", "visits") == Output("ora://db:1521", "shop.ods.visits")
