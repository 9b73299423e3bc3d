"""What a table promises where MySQL and MariaDB have ways of their own, on a real MariaDB."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from airflow_wechat.client.reports import KEY_COLUMNS, get_report
from airflow_wechat.storage.sql import TableMismatchError, _upsert_in_mysql

DAILY = get_report("daily_visit_trend")
NAME = DAILY.default_table
LOCK_WAIT_TIMEOUT, DEADLOCK, RECORD_HAS_CHANGED = 1205, 1213, 1020


def in_each_session(database, statement: str) -> None:
    """Let every connection that is made from now on begin with a statement."""
    url = make_url(database.uri).update_query_dict({"init_command": statement})
    database.uri = url.render_as_string(hide_password=False)


# The table


def test_types_nullability_key_and_comments(mariadb):
    mariadb.table().create()

    found = mariadb.sql(
        "SELECT column_name, column_type, is_nullable, column_key, column_comment"
        f" FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '{NAME}'"
        " ORDER BY ordinal_position"
    )

    bigint, double = "bigint(20)", "double"
    types = ["varchar(64)", "date", "date", "text", *[bigint] * 4, *[double] * 3, "longtext", "datetime(6)"]
    assert [name for name, *_ in found] == [column.name for column in DAILY.columns]
    assert [type_ for _, type_, *_ in found] == types
    assert [name for name, _, nullable, *_ in found if nullable == "YES"] == [
        column.name for column in DAILY.columns if column.nullable
    ]
    assert [name for name, _, _, key, _ in found if key == "PRI"] == list(KEY_COLUMNS)
    assert [comment for *_, comment in found] == [column.comment for column in DAILY.columns]


def test_neither_engine_nor_character_set_is_left_to_the_servers_defaults(mariadb):
    mariadb.sql(f"ALTER DATABASE {make_url(mariadb.uri).database} CHARACTER SET latin1")
    in_each_session(mariadb, "SET default_storage_engine = MyISAM")

    mariadb.table().create()

    [(engine, collation)] = mariadb.sql(
        "SELECT engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
    )
    assert (engine, collation.partition("_")[0]) == ("InnoDB", "utf8mb4")


def test_a_schema_is_another_database(mariadb, row, upsert):
    other = f"{make_url(mariadb.uri).database}_other"
    mariadb.sql(f"CREATE DATABASE {other}")
    table = mariadb.table(f"{other}.lateral", upsert=upsert)
    table.create()
    table.create()

    table.replace([row()])

    assert mariadb.stored("visit_pv", f"{other}.`lateral`") == [(1,)]
    assert mariadb.sql("SHOW TABLES") == []


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "MEMORY"])
def test_a_table_without_transactions_is_refused(mariadb, engine):
    texts = "".join(f", {column.name} VARCHAR(64)" for column in DAILY.columns[1:])
    mariadb.sql(
        f"CREATE TABLE mine (app_id VARCHAR(64) NOT NULL{texts}, PRIMARY KEY (app_id, period_start))"
        f" ENGINE={engine}"
    )

    with pytest.raises(TableMismatchError, match=r"mine exists, but lacks transactions \(ENGINE=InnoDB\)"):
        mariadb.table("mine").create()

    mariadb.sql("ALTER TABLE mine ENGINE=InnoDB")
    mariadb.table("mine").create()


def test_sqlalchemys_mariadb_dialect_does_the_same(mariadb, row):
    mariadb.uri = mariadb.uri.replace("mysql+", "mariadb+")
    table = mariadb.table()
    table.create()
    table.replace([row(number=1)])

    table.replace([row(number=2)])

    assert table._engine.dialect.name == "mariadb"
    assert table._upsert is _upsert_in_mysql
    assert mariadb.stored("visit_pv") == [(2,)]
    [(_, made)] = mariadb.sql(f"SHOW CREATE TABLE {NAME}")
    assert "ENGINE=InnoDB" in made and "longtext" in made and "datetime(6)" in made
    mariadb.sql(f"ALTER TABLE {NAME} ENGINE=MyISAM")
    assert table.missing() == ["transactions (ENGINE=InnoDB)"]


# Values


def test_the_sessions_time_zone_moves_no_timestamp(mariadb, row):
    at_home = mariadb.table()
    at_home.create()
    in_each_session(mariadb, "SET time_zone = '+08:00'")

    mariadb.table().replace([row() | {"fetched_at": "2026-01-02T07:30:00.123456+08:00"}])

    [(far_away,)] = mariadb.stored("CAST(fetched_at AS CHAR)")
    in_each_session(mariadb, "SET time_zone = '-05:00'")
    assert mariadb.stored("CAST(fetched_at AS CHAR)") == [(far_away,)]
    assert far_away == "2026-01-01 23:30:00.123456"


def test_apps_whose_ids_differ_by_case_alone_are_two(mariadb, upsert, row):
    table = mariadb.table(upsert=upsert)
    table.create()

    table.replace([row(app_id="wxA", number=1), row(app_id="wxa", number=2)])
    table.replace([row(app_id="wxA", number=3)])

    assert mariadb.stored("app_id, visit_pv") == [("wxA", 3), ("wxa", 2)]
    assert table.stored("wxa")[0] == 1


@pytest.mark.parametrize(
    "too_much",
    [{"app_id": "w" * 65}, {"visit_pv": 2**63}, {"visit_uv": None}],
    ids=["too long", "too large", "missing"],
)
def test_a_server_that_is_not_strict_neither_cuts_nor_makes_up(mariadb, upsert, row, too_much):
    in_each_session(mariadb, "SET sql_mode = ''")
    table = mariadb.table(upsert=upsert)
    table.create()
    table.replace([row(number=1)])

    with pytest.raises(DBAPIError):
        table.replace([row(number=2), row(date(2026, 1, 2)) | too_much])

    assert mariadb.stored("visit_pv") == [(1,)]


def test_quotes_mean_what_the_server_says(mariadb, row):
    in_each_session(mariadb, "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    table = mariadb.table("order")
    table.create()
    table.replace([row(number=1)])

    table.replace([row(number=2, note="a\\'\"`b")])

    [(number, extra)] = mariadb.stored("visit_pv, extra", '"order"')
    assert (number, json.loads(extra)) == (2, {"note": "a\\'\"`b"})


# The upsert's form


@pytest.mark.parametrize(
    ("version", "form"),
    [
        ((10, 11, 19), "VALUES(visit_pv)"),
        ((5, 7, 44), "VALUES(visit_pv)"),
        ((8, 0, 18), "VALUES(visit_pv)"),
        ((8, 0, 36), "AS new ON DUPLICATE KEY UPDATE"),
    ],
)
def test_mariadb_and_each_mysql_are_asked_in_the_form_they_know(version, form):
    """MySQL 8.0.20 and later call VALUES() outdated; MariaDB knows nothing else."""
    if sa.__version__.startswith("1."):
        pytest.skip("SQLAlchemy 1.4 knows only VALUES(), which all of them still take")
    dialect = mysql.dialect()
    dialect.server_version_info = version
    dialect._requires_alias_for_on_duplicate_key = version[0] == 8 and version >= (8, 0, 20)
    statements = []

    class Recorder:
        def execute(self, statement: Any, values: Any) -> None:
            statements.append(str(statement.compile(dialect=dialect)))

    engine = sa.create_mock_engine("mysql://", lambda *_: None)
    from airflow_wechat.storage.sql import ReportTable

    _upsert_in_mysql(Recorder(), ReportTable(engine, DAILY)._table, [])
    assert form in statements[0]


# Writers that get into each other's way: each is tried again, and the row is wholly one writer's
