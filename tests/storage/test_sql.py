"""What a table promises, on real databases."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from datetime import date, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import oracle, postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import StaticPool

from airflow_wechat.client.reports import REPORTS, Row, get_report
from airflow_wechat.storage import sql as storage
from airflow_wechat.storage.sql import ReportTable, TableMismatchError, check_table_name
from fuzzing import any_text, expect_ours, fuzzed, json_values
from proof.figures import quick_proof, trial

DAY = date(2026, 1, 1)
DAILY = get_report("daily_visit_trend")
COLUMNS = [
    "app_id",
    "period_start",
    "period_end",
    "ref_date",
    "session_cnt",
    "visit_pv",
    "visit_uv",
    "visit_uv_new",
    "stay_time_uv",
    "stay_time_session",
    "visit_depth",
    "extra",
    "fetched_at",
]


SIDE_BY_SIDE, TRUST = "side by side", "trust boundary"
WRITERS = 16


def days(first: int, last: int) -> list[date]:
    """Return days by their distance from DAY, both ends included."""
    return [DAY + timedelta(number) for number in range(first, last + 1)]


class TestCreate:
    def test_makes_the_table_of_every_report(self, database, row):
        for report in REPORTS.values():
            table = database.table(report=report)
            table.create()
            table.replace([row(report=report)])

            assert database.stored("ref_date", f"wechat_{report.name}") == [
                (report.granularity.period_of(DAY).ref_date,)
            ]

    def test_columns_come_in_the_order_of_the_contract(self, database):
        database.table().create()

        found = sa.inspect(database.engine()).get_columns("wechat_daily_visit_trend")

        assert [column["name"] for column in found] == COLUMNS

    def test_a_second_time_leaves_the_table_and_its_rows_alone(self, database, row):
        database.table().create()
        database.table().replace([row()])

        database.table().create()

        assert database.stored("app_id") == [("wx1",)]

    @pytest.mark.quick_proof
    def test_sixteen_processes_may_do_it_at_once(self, database, side_by_side, row):
        names = [f"table_{number}" for number in range(6)]

        def create_and_write(number: int) -> None:
            for name in names:
                table = database.table(name)
                table.create()
                table.replace([row(app_id=f"wx{number:02}")])

        what = f"{database.name}: {WRITERS} make the same tables at once: all succeed, no row is lost"
        with trial(SIDE_BY_SIDE, what):
            failures = side_by_side(WRITERS, create_and_write)

            assert failures == []
            for name in names:
                assert database.stored("app_id", name) == [(f"wx{number:02}",) for number in range(WRITERS)]

    def test_what_the_database_refuses_is_raised(self, database):
        with pytest.raises(DBAPIError):
            database.table("no_such_schema.wechat").create()

    def test_types_nullability_key_and_comments_in_postgresql(self, postgres):
        postgres.table().create()

        found = postgres.sql(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)"
            " FROM pg_attribute WHERE attrelid = 'wechat_daily_visit_trend'::regclass AND attnum > 0"
            " ORDER BY attnum"
        )
        key = postgres.sql(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'wechat_daily_visit_trend'::regclass AND contype = 'p'"
        )

        bigint, double = "bigint", "double precision"
        types = ["character varying(64)", "date", "date", "text", *[bigint] * 4, *[double] * 3, "text"]
        assert [name for name, _, _, _ in found] == COLUMNS
        assert [type_ for _, type_, _, _ in found] == [*types, "timestamp with time zone"]
        assert [name for name, _, needed, _ in found if not needed] == COLUMNS[8:12]
        assert [comment for _, _, _, comment in found] == [column.comment for column in DAILY.columns]
        assert key == [("PRIMARY KEY (app_id, period_start)",)]


class As(sa.types.UserDefinedType):
    """A column's type, as SQL writes it."""

    cache_ok = True

    def __init__(self, text: str) -> None:
        self.text = text

    def get_col_spec(self, **_: Any) -> str:
        return self.text


def create_with(database, **types: str) -> None:
    """Create the table, with other types for some of its columns."""
    table = database.table()
    for name, text in types.items():
        table._table.c[name].type = As(text)
    table._table.create(database.engine())


class TestTableThatDoesNotFit:
    def test_lacking_columns_are_named_and_nothing_is_changed(self, database):
        database.sql(
            "CREATE TABLE mine (app_id VARCHAR(64), period_start DATE, PRIMARY KEY (app_id, period_start))"
        )

        with pytest.raises(TableMismatchError) as caught:
            database.table("mine").create()

        lacking, _, to_do = str(caught.value).partition(" of daily_visit_trend: ")
        assert lacking.startswith(
            "table mine exists, but lacks the columns period_end, ref_date, session_cnt, visit_pv, visit_uv,"
            " visit_uv_new, stay_time_uv, stay_time_session, visit_depth, extra, fetched_at"
        )
        assert to_do == "add them, or name a table that does not exist yet and it will be created"
        assert database.sql("SELECT * FROM mine") == []

    @pytest.mark.parametrize("key", ["", ", PRIMARY KEY (app_id)"], ids=["none", "too short"])
    def test_a_lacking_key_is_named(self, database, key):
        texts = "".join(f", {name} VARCHAR(64)" for name in COLUMNS[1:])
        database.sql(f"CREATE TABLE mine (app_id VARCHAR(64) NOT NULL{texts}{key})")

        with pytest.raises(TableMismatchError, match=r"lacks the primary key \(app_id, period_start\)"):
            database.table("mine").create()

    @pytest.mark.parametrize("rounding", ["INTEGER", "BIGINT", "NUMERIC(20, 0)", "NUMERIC(20, 3)"])
    def test_a_type_that_rounds_is_named(self, database, rounding):
        create_with(database, visit_depth=rounding, fetched_at="DATE")

        with pytest.raises(
            TableMismatchError, match="lacks types that do not round for visit_depth, fetched_at of daily"
        ):
            database.table().create()

    @pytest.mark.parametrize("exact", ["NUMERIC(20, 4)", "NUMERIC(30, 10)", "FLOAT", "DOUBLE PRECISION"])
    def test_a_type_that_does_not_round_is_taken(self, database, row, exact):
        create_with(database, visit_depth=exact)
        database.table().create()

        database.table().replace([row(visit_depth=1.9838)])

        assert [float(depth) for (depth,) in database.stored("visit_depth")] == [1.9838]

    def test_columns_and_a_key_may_be_lacking_at_once(self, new_database):
        database = new_database("sqlite")
        database.sql("CREATE TABLE mine (app_id TEXT, period_start DATE)")

        with pytest.raises(
            TableMismatchError, match=r"extra, fetched_at and the primary key \(app_id, period_"
        ):
            database.table("mine").create()

    def test_of_another_process_that_was_quicker_is_found_as_well(self, new_database, monkeypatch):
        database = new_database("sqlite")
        monkeypatch.setattr(ReportTable, "_create", lambda _: database.sql("CREATE TABLE mine (app_id TEXT)"))

        with pytest.raises(TableMismatchError, match="mine exists, but lacks the columns period_start"):
            database.table("mine").create()

    def test_columns_of_ones_own_may_be_added(self, database, row):
        database.table().create()
        database.sql("ALTER TABLE wechat_daily_visit_trend ADD COLUMN note VARCHAR(9)")

        database.table().create()
        database.table().replace([row()])

        assert database.stored("note") == [(None,)]


class TestReplace:
    def test_new_rows_are_added_and_old_ones_replaced(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()
        table.replace([row(day, 1) for day in days(0, 2)])

        table.replace([row(day, 2) for day in days(2, 4)])

        assert database.stored("visit_pv") == [(1,), (1,), (2,), (2,), (2,)]

    def test_other_apps_and_periods_stay_untouched(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()
        table.replace([row(app_id="wx1"), row(app_id="wx2"), row(days(1, 1)[0], app_id="wx1")])

        table.replace([row(number=7, app_id="wx1")])

        assert database.stored("app_id, visit_pv") == [("wx1", 7), ("wx1", 1), ("wx2", 1)]

    def test_every_column_is_replaced(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()
        table.replace([row(number=1, stay_time_uv=None, note="old")])
        new = row(number=2) | {"ref_date": "new", "fetched_at": "2026-03-01T00:00:00+00:00"}

        table.replace([new | {"period_end": "2026-01-09"}])

        numbers = ", ".join(COLUMNS[4:11])
        assert database.stored(numbers) == [(2,) * 7]
        assert database.stored("ref_date, extra") == [("new", None)]
        assert [str(end)[:10] for end, _ in database.stored("period_end, 0")] == ["2026-01-09"]
        assert [str(at)[:7] for at, _ in database.stored("fetched_at, 0")] == ["2026-03"]

    def test_of_two_rows_for_one_period_the_later_counts(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()

        table.replace([row(number=1), row(number=2)])

        assert database.stored("visit_pv") == [(2,)]

    def test_no_rows_change_nothing(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()
        table.replace([row()])

        table.replace([])

        assert database.stored("visit_pv") == [(1,)]

    def test_ten_years_go_in_at_once(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()
        table.replace([row(day) for day in days(0, 3649)])

        table.replace([row(day, 2) for day in days(0, 3649)])

        assert database.stored("visit_pv") == [(2,)] * 3650


class TestValues:
    def test_are_read_back_as_the_client_made_them(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()

        table.replace(
            [row(number=2**63 - 1, stay_time_uv=0.1 + 0.2, stay_time_session=1e-300, visit_depth=2)]
        )

        (stored,) = database.stored(", ".join(COLUMNS[:11]))
        assert [str(day) for day in stored[1:3]] == ["2026-01-01", "2026-01-01"]
        assert (stored[0], *stored[3:]) == ("wx1", "20260101", *[2**63 - 1] * 4, 0.1 + 0.2, 1e-300, 2.0)

    def test_what_wechat_left_out_is_null(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()

        table.replace([row(stay_time_uv=None, stay_time_session=None, visit_depth=None)])

        assert database.stored(", ".join(COLUMNS[8:12])) == [(None,) * 4]

    @pytest.mark.parametrize(
        "extra",
        ["访问 😀", "a\0b", "\ud800", {"deep": [1, 2.5, None, True]}, "'; DROP TABLE x --", "50% %s :x"],
    )
    def test_unknown_fields_survive_as_json_text(self, database, upsert, row, extra):
        table = database.table(upsert=upsert)
        table.create()

        table.replace([row(new_field=extra)])

        [(text,)] = database.stored("extra")
        assert json.loads(text) == {"new_field": extra}

    def test_unknown_fields_may_be_long(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()

        table.replace([row(new_field="访" * 100_000)])

        [(text,)] = database.stored("extra")
        assert json.loads(text) == {"new_field": "访" * 100_000}

    def test_timestamps_are_stored_as_utc(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()

        table.replace([row() | {"fetched_at": "2026-01-02T07:30:00.123456+08:00"}])

        utc = "fetched_at AT TIME ZONE 'UTC'" if database.kind == "postgresql" else "fetched_at"
        [(stored,)] = database.stored(utc)
        assert str(stored) == "2026-01-01 23:30:00.123456"

    def test_the_sessions_time_zone_moves_no_timestamp(self, postgres, row):
        postgres.uri += "?options=-ctimezone%3DAsia/Shanghai"
        table = postgres.table()
        table.create()

        table.replace([row() | {"fetched_at": "2026-01-02T07:30:00+00:00"}])

        [(stored,)] = postgres.stored("fetched_at")
        assert stored == datetime.fromisoformat("2026-01-02T15:30:00+08:00")
        assert postgres.stored("fetched_at::text") == [("2026-01-02 15:30:00+08",)]


class TestFailure:
    def test_in_the_middle_of_a_batch_leaves_everything_as_it_was(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()
        table.replace([row(day, 1) for day in days(0, 9)])
        too_large = row(DAY + timedelta(1500)) | {"visit_pv": 2**63}

        with pytest.raises((DBAPIError, OverflowError)):
            table.replace([*(row(day, 2) for day in days(0, 1499)), too_large])

        assert database.stored("visit_pv") == [(1,)] * 10

    def test_a_missing_number_is_refused_by_the_database(self, database, row):
        table = database.table()
        table.create()

        with pytest.raises(DBAPIError):
            table.replace([row() | {"visit_pv": None}])

    def test_a_text_too_long_for_its_key_is_not_cut(self, postgres, upsert, row):
        table = postgres.table(upsert=upsert)
        table.create()

        with pytest.raises(DBAPIError):
            table.replace([row(app_id="w" * 65)])

    def test_a_row_that_lacks_a_column_is_refused_before_writing(self, database, row):
        table = database.table()
        table.create()
        incomplete = row()
        del incomplete["visit_depth"]

        with pytest.raises(KeyError, match="visit_depth"):
            table.replace([row(days(1, 1)[0]), incomplete])

        assert database.stored("visit_pv") == []

    def test_a_writer_killed_before_its_commit_leaves_everything_as_it_was(self, database, upsert, row):
        table = database.table(upsert=upsert)
        table.create()
        table.replace([row(day, 1) for day in days(0, 9)])

        def write_and_die() -> None:
            dying = database.table(upsert=upsert)
            sa.event.listen(dying._engine, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
            dying.replace([row(day, 2) for day in days(0, 19)])

        process = multiprocessing.get_context("fork").Process(target=write_and_die)
        process.start()
        process.join()

        assert process.exitcode == -signal.SIGKILL
        assert database.stored("visit_pv") == [(1,)] * 10
        table.replace([row(day, 3) for day in days(0, 9)])
        assert database.stored("visit_pv") == [(3,)] * 10


def ones_own(row, day: date, number: int) -> Row:
    """Return a row that differs from every other writer's in all that is not its key."""
    return row(day, number, note=number) | {
        "period_end": str(DAY + timedelta(number)),
        "ref_date": str(number),
        "fetched_at": f"2026-02-01T00:00:{number:02}+00:00",
    }


def writers_of(end: date, ref_date: str, *others: Any) -> set[int]:
    """Return the numbers of the writers that a row is from."""
    *numbers, extra, fetched_at = others
    of_times = (end - DAY).days, fetched_at.second
    return {int(number) for number in (ref_date, *numbers, json.loads(extra)["note"], *of_times)}


class TestWritersSideBySide:
    def check_overlapping(self, database, side_by_side, row, **options: Any) -> None:
        """Let writers write what overlaps, in both directions; each row must be one writer's as a whole."""
        table = database.table(**options)
        table.create()

        def write(number: int) -> None:
            table = database.table(**options)
            for _ in range(4):
                mine = [ones_own(row, day, number) for day in days(5 * number, 5 * number + 60)]
                table.replace(mine if number % 2 else mine[::-1])

        failures = side_by_side(WRITERS, write)

        assert failures == []
        last = 5 * (WRITERS - 1) + 60
        stored = table.read("wx1", DAY, DAY + timedelta(last), COLUMNS[1:])
        assert [start for start, *_ in stored] == days(0, last)
        for distance, (_, *others) in enumerate(stored):
            (number,) = writers_of(*others)
            assert 5 * number <= distance <= 5 * number + 60

    @pytest.mark.quick_proof
    def test_no_row_is_lost_doubled_or_torn(self, database, upsert, side_by_side, row):
        what = f"{WRITERS} write what overlaps: all succeed, each row is one writer's in all its columns"
        with trial(SIDE_BY_SIDE, f"{database.name}: {what}"):
            self.check_overlapping(database, side_by_side, row, upsert=upsert)

    def test_the_same_rows_may_be_written_by_all(self, database, upsert, side_by_side, row):
        database.table().create()

        failures = side_by_side(
            8, lambda number: database.table(upsert=upsert).replace([row(day, number) for day in days(0, 30)])
        )

        assert failures == []
        assert len(set(database.stored("visit_pv"))) == 1
        assert len(database.stored("visit_pv")) == 31

    @quick_proof(SIDE_BY_SIDE, "PostgreSQL: upserts do not even deadlock")
    def test_upserts_do_not_even_deadlock(self, postgres, side_by_side, row):
        self.check_overlapping(postgres, side_by_side, row)

        assert postgres.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [
            (0,)
        ]

    @quick_proof(SIDE_BY_SIDE, "PostgreSQL: serialization failures are tried again, and fail no writer")
    @pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
    def test_serialization_failures_are_tried_again(self, postgres, side_by_side, row, level):
        self.check_overlapping(postgres, side_by_side, row, isolation_level=level)

    @quick_proof(SIDE_BY_SIDE, "SQLite: a locked file fails no writer")
    def test_a_locked_sqlite_file_fails_no_writer(self, new_database, upsert, side_by_side, row):
        impatient = {"connect_args": {"timeout": 0}}

        self.check_overlapping(new_database("sqlite"), side_by_side, row, upsert=upsert, **impatient)

    def test_sqlite_waits_half_a_minute_for_a_lock(self, new_database, upsert, row):
        table = new_database("sqlite").table(upsert=upsert, poolclass=StaticPool)
        table.create()

        table.replace([row()])

        with table._engine.connect() as the_one_connection:
            assert the_one_connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000

    @pytest.mark.parametrize(
        ("its_own", "expected"), [({}, "50s"), ({"options": "-c lock_timeout=200ms"}, "200ms")]
    )
    def test_postgresql_waits_for_a_lock_as_long_as_the_site_says_or_not_for_ever(
        self, postgres, upsert, row, its_own, expected
    ):
        table = postgres.table(upsert=upsert, connect_args=its_own)
        table.create()
        seen = []
        sa.event.listen(
            table._engine,
            "commit",
            lambda connection: seen.append(connection.exec_driver_sql("SHOW lock_timeout").scalar()),
        )

        table.replace([row()])

        assert seen == [expected]

    @quick_proof(SIDE_BY_SIDE, "PostgreSQL: a lock that is not given in time is asked for again")
    def test_a_lock_that_postgresql_does_not_give_in_time_is_asked_for_again(self, postgres, upsert, row):
        table = postgres.table(upsert=upsert, connect_args={"options": "-c lock_timeout=200ms"})
        table.create()
        table.replace([row(number=1)])
        codes = []

        with postgres.engine().connect() as other:
            lock = other.begin()
            other.exec_driver_sql("SELECT * FROM wechat_daily_visit_trend FOR UPDATE")

            def refused(context):
                codes.append(context.original_exception.pgcode)
                lock.rollback()

            sa.event.listen(table._engine, "handle_error", refused)
            table.replace([row(number=2)])

        assert codes == ["55P03"]
        assert postgres.stored("visit_pv") == [(2,)]


class TestName:
    @pytest.mark.parametrize("name", ["select", "Order", "MixedCase", "_", "a" * 63, "lateral", "returning"])
    def test_is_taken_as_it_is(self, database, row, name):
        table = database.table(name)
        table.create()
        table.create()
        table.replace([row()])

        assert sa.inspect(database.engine()).get_table_names() == [name]

    def test_may_have_a_schema(self, postgres, row, upsert):
        postgres.sql('CREATE SCHEMA "lateral"')
        table = postgres.table("lateral.Table", upsert=upsert)
        table.create()
        table.create()

        table.replace([row()])

        assert postgres.stored("visit_pv", '"lateral"."Table"') == [(1,)]
        assert table.stored_starts("wx1") == {DAY}
        assert postgres.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []

    def test_is_quoted_only_where_that_does_not_change_it(self):
        """In Oracle, say, a quoted name is another than the same name without quotes."""
        for dialect, shown in {
            postgresql.dialect(): '"lateral".visits',
            oracle.dialect(): "lateral.visits",
        }.items():
            table = ReportTable(Mock(dialect=dialect), DAILY, "lateral.visits")._table

            assert dialect.identifier_preparer.format_table(table).replace('"visits"', "visits") == shown

    def test_may_have_a_schema_in_sqlite(self, new_database, row):
        database = new_database("sqlite")
        table = database.table("main.visits")
        table.create()

        table.replace([row()])

        assert database.stored("visit_pv", "visits") == [(1,)]

    @quick_proof(TRUST, "a name of a table in another form is refused with what is allowed")
    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "a.",
            ".a",
            "a.b.c",
            "1a",
            "a b",
            'a"b',
            "a;b",
            "a-b",
            "a\n",
            "表",
            "é",
            "a" * 64,
            "a\0",
            "²",
            None,
        ],
    )
    def test_of_another_form_is_refused_with_what_is_allowed(self, name):
        with pytest.raises(ValueError, match=r"give table or schema\.table") as caught:
            check_table_name(name)

        assert f"table={name!r} is not allowed" in str(caught.value)

    def test_that_is_empty_is_not_taken_for_none(self, database):
        with pytest.raises(ValueError, match="not allowed"):
            database.table("")

    NAMES = st.one_of(
        st.text(max_size=20),
        st.text(alphabet="aZ_09.\"'`;-[] ", max_size=12),
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,62}", fullmatch=True),
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}\.[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True),
    )

    @given(name=NAMES)
    @example(name='x"; DROP TABLE y; --')
    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_is_refused_or_names_exactly_the_table_that_is_made(self, postgres, name):
        try:
            table = postgres.table(name)
        except ValueError:
            return
        schema, _, bare = name.rpartition(".")
        assume(not schema.lower().startswith("pg_"))
        if schema:
            postgres.sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')

        table.create()

        found = postgres.sql(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        postgres.sql(f'DROP TABLE "{schema or "public"}"."{bare}"')
        assert found == [(schema or "public", bare)]


names = st.one_of(
    any_text,
    json_values,
    st.text(alphabet="aZ_09.\"'`;-[] ", max_size=12),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?", fullmatch=True),
)


@fuzzed("any name of a table: refused, or taken to the letter for that one table", names)
@example("a" * 63 + "." + "b" * 63)
@example("a" * 64)
@example("main.a\n")
def test_any_name_is_refused_or_makes_exactly_that_table(name):
    try:
        schema, table = check_table_name(name)
    except ValueError as error:
        expect_ours(error, ValueError)
        return

    assert ".".join(filter(None, (schema, table))) == name
    assert name.replace(".", "a").replace("_", "a").isalnum() and name.isascii()
    assume(schema is None and not table.lower().startswith("sqlite_"))
    engine = sa.create_engine("sqlite://")
    ReportTable(engine, DAILY, name).create()
    assert sa.inspect(engine).get_table_names() == [name]


class TestStored:
    def test_counts_an_apps_rows_and_tells_the_newest(self, database, row):
        table = database.table()
        table.create()
        table.replace([row(date(2026, 1, day)) for day in (1, 3, 2)] + [row(date(2026, 2, 1), app_id="wx2")])

        assert table.stored("wx1") == (3, date(2026, 1, 3))
        assert table.stored("wx2") == (1, date(2026, 2, 1))
        assert table.stored("wx3") == (0, None)

    def test_starts_are_an_apps_own_from_a_day_on_that_is_included(self, database, row):
        table = database.table()
        table.create()
        table.replace([row(date(2026, 1, day)) for day in (1, 2, 3)] + [row(date(2026, 2, 1), app_id="wx2")])

        assert table.stored_starts("wx1") == {date(2026, 1, day) for day in (1, 2, 3)}
        assert table.stored_starts("wx1", date(2026, 1, 2)) == {date(2026, 1, 2), date(2026, 1, 3)}
        assert table.stored_starts("wx3") == set()

    def test_starts_of_a_table_that_is_missing_are_none(self, database):
        assert database.table().stored_starts("wx1") == set()


class TestRead:
    @pytest.fixture
    def table(self, database, row):
        table = database.table()
        table.create()
        rows = [row(date(2026, 1, day), number=day) for day in (3, 1, 4, 2)]
        table.replace([*rows, row(date(2026, 1, 2), number=7, app_id="wx2")])
        return table

    def test_gives_columns_of_an_apps_periods_in_their_order_both_ends_included(self, table):
        read = table.read("wx1", date(2026, 1, 2), date(2026, 1, 3), ["visit_pv", "period_start"])

        assert read == [(2, date(2026, 1, 2)), (3, date(2026, 1, 3))]

    def test_gives_them_in_their_order_also_where_no_key_keeps_it(self, new_database, row):
        database = new_database("sqlite")
        database.table().create()
        database.sql("CREATE TABLE keyless AS SELECT * FROM wechat_daily_visit_trend")
        table = database.table("keyless", upsert=False)
        for day in (3, 1, 2):
            table.replace([row(date(2026, 1, day), number=day)])

        assert table.read("wx1", DAY, date(2026, 1, 3), ["visit_pv"]) == [(1,), (2,), (3,)]

    def test_gives_nothing_where_there_is_nothing(self, table):
        assert table.read("wx3", date(2026, 1, 1), date(2026, 1, 4), ["visit_pv"]) == []
        assert table.read("wx1", date(2026, 1, 5), date(2026, 1, 9), ["visit_pv"]) == []

    def test_names_the_apps_with_their_first_and_last_periods(self, table):
        assert sorted(table.apps()) == [
            ("wx1", date(2026, 1, 1), date(2026, 1, 4)),
            ("wx2", date(2026, 1, 2), date(2026, 1, 2)),
        ]

    def test_gives_nothing_of_a_table_that_is_missing(self, database):
        table = database.table()

        assert table.read("wx1", DAY, DAY, ["visit_pv"]) == []
        assert table.apps() == []


class DriversError(Exception):
    """What a driver raises, with its own way to say what happened."""

    def __init__(self, *args, **codes):
        super().__init__(*args)
        vars(self).update(codes)


CONFLICTS = [
    DriversError(sqlstate="40001"),
    DriversError(sqlstate="40P01"),
    DriversError("words", pgcode="40001"),
    DriversError("words", pgcode="40P01"),
    DriversError(sqlstate="55P03"),
    DriversError("words", pgcode="55P03"),
    DriversError(1205, "Lock wait timeout exceeded"),
    DriversError(1213, "Deadlock found"),
    DriversError(1020, "Record has changed since last read"),
    DriversError("database is locked", sqlite_errorcode=5),
    DriversError("database is locked", sqlite_errorcode=5 | 2 << 8),  # SQLITE_BUSY_SNAPSHOT
    DriversError("database table is locked", sqlite_errorcode=6),
    DriversError("database table is locked", sqlite_errorcode=6 | 1 << 8),  # SQLITE_LOCKED_SHAREDCACHE
]
OTHERS = [
    DriversError(),
    DriversError("40001"[:4]),
    DriversError("words", 1205),
    DriversError(1062, "Duplicate entry"),
    DriversError(sqlstate="23505"),
    DriversError(pgcode="08006"),
    DriversError("no such table", sqlite_errorcode=1),
    DriversError("disk is full", sqlite_errorcode=13),
    DriversError("abort", sqlite_errorcode=4 | 5 << 8),
]


class TestConflict:
    @pytest.mark.parametrize("error", CONFLICTS, ids=lambda error: repr(vars(error) or error.args[:1]))
    def test_is_known_by_each_drivers_code(self, error):
        assert storage._is_conflict(DBAPIError("INSERT", {}, error))
        assert storage._is_conflict_or_race(DBAPIError("INSERT", {}, error))
        assert not storage._is_conflict(error)  # only what the database says counts

    @pytest.mark.parametrize("error", OTHERS, ids=lambda error: repr(vars(error) or error.args[:1]))
    def test_is_nothing_else(self, error):
        assert not storage._is_conflict(DBAPIError("INSERT", {}, error))
        assert not storage._is_conflict_or_race(DBAPIError("INSERT", {}, error))

    def test_is_a_row_that_another_writer_was_quicker_with_only_where_we_delete_and_insert(self):
        error = IntegrityError("INSERT", {}, DriversError(1062, "Duplicate entry"))

        assert not storage._is_conflict(error)
        assert storage._is_conflict_or_race(error)

    @pytest.fixture
    def waits(self, monkeypatch):
        """The waits between tries, each as long as it may be."""
        waits = []
        monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
        monkeypatch.setattr("random.uniform", lambda _, longest: longest)
        return waits

    @pytest.mark.parametrize("step", ["_is_there", "_missing", "_create", "_write", "_stored_starts"])
    def test_is_tried_again_at_every_step_and_ten_times_at_most(
        self, new_database, row, monkeypatch, waits, step
    ):
        real, failures = getattr(ReportTable, step), []

        def conflicting(*args):
            if len(failures) < times:
                failures.append(step)
                raise DBAPIError("", {}, CONFLICTS[0])
            return real(*args)

        def use_all(table):
            table.create()
            table.create()  # and looks at what is there
            table.replace([row()])
            return table.stored_starts("wx1")

        monkeypatch.setattr(ReportTable, step, conflicting)
        database, times = new_database("sqlite"), 9
        assert use_all(database.table()) == {DAY}
        assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5])

        database.sql("DROP TABLE wechat_daily_visit_trend")
        failures.clear()
        times = 10
        with pytest.raises(DBAPIError):
            use_all(database.table())

    @pytest.mark.parametrize(
        "error",
        [DBAPIError("", {}, OTHERS[0]), IntegrityError("", {}, OTHERS[0]), KeyError("extra")],
        ids=["of the database", "of a row", "our own"],
    )
    def test_nothing_else_is_tried_again(self, new_database, row, monkeypatch, error):
        tries = []

        def failing(*_):
            tries.append(1)
            raise error

        monkeypatch.setattr(ReportTable, "_write", failing)

        with pytest.raises(type(error)):
            new_database("sqlite").table().replace([row()])
        assert len(tries) == 1


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
def test_mysqls_own_types_are_asked_for_by_either_of_its_names(dialect):
    engine = sa.create_engine(f"{dialect}+pymysql://nobody@127.0.0.1/nothing")

    made = str(sa.schema.CreateTable(ReportTable(engine, DAILY)._table).compile(engine))

    lines = [" ".join(line.split()) for line in made.strip().splitlines()]
    assert any(line.startswith("app_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL") for line in lines)
    assert any(line.startswith("extra LONGTEXT") for line in lines)
    assert any(line.startswith("fetched_at DATETIME(6) NOT NULL") for line in lines)
    assert {"ENGINE=InnoDB", "CHARSET=utf8mb4"} <= {*lines[-1].removeprefix(")").split()}
