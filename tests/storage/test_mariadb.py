"""What a table promises where MySQL and MariaDB have ways of their own, on a real MariaDB."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from airflow_wechat.client.reports import KEY_COLUMNS, get_report
from airflow_wechat.storage.sql import TableMismatchError
from proof.figures import quick_proof

PART = "side by side"

DAILY = get_report("daily_visit_trend")
NAME = DAILY.default_table
SECOND = date(2026, 1, 2)
IS_FIRST, IS_SECOND = (f"app_id = 'wx1' AND period_start = '2026-01-0{day}'" for day in (1, 2))
WAITING = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
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
        f"CREATE TABLE mine (app_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL{texts},"
        f" PRIMARY KEY (app_id, period_start)) ENGINE={engine}"
    )

    with pytest.raises(TableMismatchError, match=r"mine exists, but lacks transactions \(ENGINE=InnoDB\)"):
        mariadb.table("mine").create()

    mariadb.sql("ALTER TABLE mine ENGINE=InnoDB")
    mariadb.table("mine").create()


@pytest.mark.parametrize(
    ("change", "undone", "lacking"),
    [
        ("ADD UNIQUE INDEX one_a_day (period_start)", "DROP INDEX one_a_day", "unique indexes (one_a_day)"),
        (
            "ADD UNIQUE INDEX a (period_start), ADD UNIQUE INDEX b (period_end)",
            "DROP INDEX a, DROP INDEX b",
            "unique indexes (a, b)",
        ),
        (
            "MODIFY app_id VARCHAR(64) NOT NULL COLLATE utf8mb4_general_ci",
            "MODIFY app_id VARCHAR(64) NOT NULL COLLATE utf8mb4_bin",
            "lacks a collation of app_id that tells capitals from small letters (utf8mb4_bin) of",
        ),
    ],
)
def test_a_table_that_would_take_two_apps_for_one_is_refused(mariadb, change, undone, lacking):
    table = mariadb.table()
    table.create()
    mariadb.sql(f"ALTER TABLE {NAME} {change}")

    with pytest.raises(TableMismatchError, match=re.escape(lacking)):
        table.create()

    mariadb.sql(f"ALTER TABLE {NAME} {undone}")
    table.create()


def test_in_another_database_as_well_no_two_apps_are_taken_for_one(mariadb):
    other = f"{make_url(mariadb.uri).database}_other"
    mariadb.sql(f"CREATE DATABASE {other}")
    table = mariadb.table(f"{other}.{NAME}")
    table.create()
    mariadb.sql(f"ALTER TABLE {other}.{NAME} MODIFY app_id VARCHAR(64) NOT NULL COLLATE utf8mb4_general_ci")

    with pytest.raises(TableMismatchError, match="a collation of app_id"):
        table.create()


def test_sqlalchemys_mariadb_dialect_does_the_same(mariadb, row):
    mariadb.uri = mariadb.uri.replace("mysql+", "mariadb+")
    table = mariadb.table()
    table.create()
    table.replace([row(number=1)])

    table.replace([row(number=2)])

    assert table._engine.dialect.name == "mariadb"
    assert table._upsert is not None
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


# Writers that get into each other's way: the loser is tried again, and the row is wholly one writer's


@contextmanager
def transaction(database, *statements: str) -> Iterator[sa.engine.Transaction]:
    """Another writer that has done this much and has not committed."""
    connection = database.engine().connect()
    begun = connection.begin()
    for statement in statements:
        connection.exec_driver_sql(statement)
    try:
        yield begun
    finally:
        connection.invalidate()
        connection.close()


def codes_of(table) -> list[int]:
    """Collect the codes of the errors that the database answers a table with."""
    codes: list[int] = []
    sa.event.listen(
        table._engine, "handle_error", lambda context: codes.append(context.original_exception.args[0])
    )
    return codes


@pytest.fixture
def table(mariadb, row):
    """A table with two days."""
    made = mariadb.table()
    made.create()
    made.replace([row(number=1), row(SECOND, number=1)])
    return made


@quick_proof(PART, "MariaDB: a lock that is not given in time is asked for again")
def test_a_lock_that_is_not_given_in_time_is_asked_for_again(mariadb, table, row):
    in_each_session(mariadb, "SET innodb_lock_wait_timeout = 1")
    patient = mariadb.table()
    codes = codes_of(patient)

    with transaction(mariadb, f"UPDATE {NAME} SET visit_pv = 7") as other:
        sa.event.listen(patient._engine, "handle_error", lambda _: other.commit())
        patient.replace([row(number=2)])

    assert codes == [LOCK_WAIT_TIMEOUT]
    assert mariadb.stored("visit_pv, visit_uv") == [(2, 2), (7, 1)]


@quick_proof(PART, "MariaDB: the victim of a deadlock begins again, and its rows are whole")
def test_the_victim_of_a_deadlock_begins_again(mariadb, table, row):
    codes = codes_of(table)
    # InnoDB's victim is who has changed less.
    much = "INSERT INTO note SELECT seq, REPEAT('x', 99) FROM seq_1_to_500"
    mariadb.sql("CREATE TABLE note (number INT PRIMARY KEY, text TEXT)")

    with transaction(mariadb, much, f"UPDATE {NAME} SET visit_pv = 7 WHERE {IS_SECOND}") as other:
        waiting = threading.Thread(target=table.replace, args=[[row(number=2), row(SECOND, number=2)]])
        waiting.start()
        wait_until(lambda: mariadb.sql(WAITING) == [(1,)])
        other.connection.exec_driver_sql(f"UPDATE {NAME} SET visit_pv = 7 WHERE {IS_FIRST}")
        other.commit()
        waiting.join()

    assert codes == [DEADLOCK]
    assert mariadb.stored("visit_pv, visit_uv") == [(2, 2), (2, 2)]


@quick_proof(PART, "MariaDB: a record changed since the snapshot is written anew")
def test_a_record_changed_since_the_snapshot_is_written_anew(mariadb, table, row):
    in_each_session(mariadb, "SET innodb_snapshot_isolation = ON")
    late = mariadb.table()
    codes = codes_of(late)
    looks = []

    def look_and_let_another_write(connection: sa.engine.Connection) -> None:
        connection.exec_driver_sql(f"SELECT COUNT(*) FROM {NAME}")
        if not looks:
            mariadb.sql(f"UPDATE {NAME} SET visit_pv = 7")
        looks.append(connection)

    sa.event.listen(late._engine, "begin", look_and_let_another_write)
    late.replace([row(number=2)])

    assert codes == [RECORD_HAS_CHANGED]
    assert mariadb.stored("visit_pv, visit_uv") == [(2, 2), (7, 1)]


@quick_proof(PART, "MariaDB: no isolation fails a writer, and the table is one writer's")
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_no_isolation_fails_a_writer(mariadb, side_by_side, row, level):
    in_each_session(mariadb, "SET innodb_snapshot_isolation = ON")
    mariadb.table().create()

    def write(number: int) -> None:
        table = mariadb.table(isolation_level=level)
        for _ in range(4):
            table.replace([row(date(2026, 1, day), number) for day in range(1, 29)])

    failures = side_by_side(8, write)

    assert failures == []
    assert len(mariadb.stored("visit_pv")) == 28
    assert len(set(mariadb.stored("visit_pv, visit_uv, visit_depth"))) == 1


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)  # innodb_trx is brought up to date only where nobody has looked for 0.1 s
