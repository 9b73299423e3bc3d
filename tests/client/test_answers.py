from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

from airflow_wechat.client.answers import Quota, decode, quota_in, raise_for_errcode, rows_of
from airflow_wechat.client.errors import CheckAnswerError, FixCredentialsError, RenewTokenError, WeChatError
from airflow_wechat.client.periods import Period
from airflow_wechat.client.reports import REPORTS, ColumnType, Report, Row
from fuzzing import expect_ours, fuzzed, json_objects, json_values, numbers

DAILY = REPORTS["daily_visit_trend"]
WEEKLY = REPORTS["weekly_visit_trend"]
MONTHLY = REPORTS["monthly_visit_trend"]
FETCHED_AT = datetime(2026, 3, 18, 2, 30, 0, 120, tzinfo=UTC)
DAY = DAILY.granularity.period_of(date(2017, 3, 13))
ENTRY = {
    "ref_date": "20170313",
    "session_cnt": 142549,
    "visit_pv": 472351,
    "visit_uv": 55500,
    "visit_uv_new": 5464,
    "stay_time_session": 0,
    "visit_depth": 1.9838,
}


def rows(answer: Any, report: Report = DAILY, period: Period = DAY) -> list[Row]:
    return rows_of(report, period, "wx1", answer, FETCHED_AT)


def row_of(**changes: Any) -> Row:
    return rows({"list": [{**ENTRY, **changes}]})[0]


SAMPLES: list[Any] = [
    pytest.param(
        DAILY,
        date(2018, 10, 15),
        b'{"list":[{"ref_date":"20181015","session_cnt":7,"visit_pv":36,"visit_uv":3,"visit_uv_new":0,'
        b'"stay_time_uv":492.3333,"stay_time_session":211,"visit_depth":2.4286}]}',
        ("2018-10-15", "2018-10-15", "20181015", 7, 36, 3, 0, 492.3333, 211.0, 2.4286),
        id="real 2018",
    ),
    pytest.param(
        DAILY,
        date(2021, 9, 12),
        b'{"list":[{"ref_date":"20210912","session_cnt":1082,"visit_pv":4573,"visit_uv":495,'
        b'"visit_uv_new":0,"stay_time_uv":86.0586,"stay_time_session":39.3706,"visit_depth":2.6562}]}',
        ("2021-09-12", "2021-09-12", "20210912", 1082, 4573, 495, 0, 86.0586, 39.3706, 2.6562),
        id="real 2021",
    ),
    pytest.param(
        DAILY,
        date(2017, 3, 13),
        b'{"list":[{"ref_date":"20170313","session_cnt":142549,"visit_pv":472351,"visit_uv":55500,'
        b'"visit_uv_new":5464,"stay_time_session":0,"visit_depth":1.9838}]}',
        ("2017-03-13", "2017-03-13", "20170313", 142549, 472351, 55500, 5464, None, 0.0, 1.9838),
        id="documented day",
    ),
    pytest.param(
        WEEKLY,
        date(2017, 3, 6),
        b'{"list":[{"ref_date":"20170306-20170312","session_cnt":986780,"visit_pv":3251840,'
        b'"visit_uv":189405,"visit_uv_new":45592,"stay_time_session":54.5346,"visit_depth":1.9735}]}',
        (
            "2017-03-06",
            "2017-03-12",
            "20170306-20170312",
            986780,
            3251840,
            189405,
            45592,
            None,
            54.5346,
            1.9735,
        ),
        id="documented week",
    ),
    pytest.param(
        MONTHLY,
        date(2017, 3, 1),
        b'{"list":[{"ref_date":"201703","session_cnt":126513,"visit_pv":426113,"visit_uv":48659,'
        b'"visit_uv_new":6726,"stay_time_session":56.4112,"visit_depth":2.0189}]}',
        ("2017-03-01", "2017-03-31", "201703", 126513, 426113, 48659, 6726, None, 56.4112, 2.0189),
        id="documented month",
    ),
]


# Rows


@pytest.mark.parametrize(("report", "day", "body", "values"), SAMPLES)
def test_wechats_own_samples_become_whole_rows(
    report: Report, day: date, body: bytes, values: tuple[Any, ...]
) -> None:
    period = report.granularity.period_of(day)

    [row] = rows(decode(body, report.path), report, period)

    assert list(row.items()) == [
        ("app_id", "wx1"),
        *zip(
            (
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
            ),
            values,
            strict=True,
        ),
        ("extra", None),
        ("fetched_at", "2026-03-18T02:30:00.000120+00:00"),
    ]


@pytest.mark.parametrize(("report", "day", "body", "values"), SAMPLES)
def test_a_row_has_the_columns_of_its_report(
    report: Report, day: date, body: bytes, values: tuple[Any, ...]
) -> None:
    [row] = rows(decode(body, report.path), report, report.granularity.period_of(day))

    assert list(row) == [column.name for column in report.columns]


@pytest.mark.parametrize("name", ["session_cnt", "visit_pv", "visit_uv", "visit_uv_new"])
@pytest.mark.parametrize(("given_value", "stored"), [(5.0, 5), (0, 0), (-0.0, 0), (2**63 - 1, 2**63 - 1)])
def test_a_count_is_an_integer_however_it_arrives(name: str, given_value: float, stored: int) -> None:
    value = row_of(**{name: given_value})[name]

    assert value == stored
    assert type(value) is int


@pytest.mark.parametrize("name", ["stay_time_uv", "stay_time_session", "visit_depth"])
@pytest.mark.parametrize(("given_value", "stored"), [(211, 211.0), (0, 0.0), (2.4286, 2.4286)])
def test_an_average_is_a_double_however_it_arrives(name: str, given_value: float, stored: float) -> None:
    value = row_of(**{name: given_value})[name]

    assert value == stored
    assert type(value) is float


@pytest.mark.parametrize("name", ["stay_time_uv", "stay_time_session", "visit_depth"])
def test_an_average_that_is_null_stays_null(name: str) -> None:
    assert row_of(**{name: None})[name] is None


@pytest.mark.parametrize("name", ["stay_time_uv", "stay_time_session", "visit_depth"])
def test_an_average_that_is_left_out_is_null(name: str) -> None:
    entry = {key: value for key, value in ENTRY.items() if key != name}

    assert rows({"list": [entry]})[0][name] is None


def test_fields_we_do_not_know_are_kept_in_extra() -> None:
    unknown = {"visit_depth_new": 1.5, "regions": [{"id": 1}], "app_id": "theirs", "note": None}

    row = row_of(**unknown)

    assert row["extra"] == unknown
    assert row["app_id"] == "wx1"


def test_fields_beside_the_list_are_no_part_of_a_row() -> None:
    assert rows({"list": [ENTRY], "note": "hello"})[0]["extra"] is None


def test_an_empty_list_gives_no_row() -> None:
    assert rows({"list": []}) == []


@pytest.fixture
def _in_shanghai() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_shanghai")
def test_the_time_of_the_answer_is_written_in_utc_wherever_the_machine_is() -> None:
    fetched_at = FETCHED_AT.astimezone(timezone(timedelta(hours=8)))

    [row] = rows_of(DAILY, DAY, "wx1", {"list": [ENTRY]}, fetched_at)

    assert row["fetched_at"] == "2026-03-18T02:30:00.000120+00:00"


# What is no answer


@pytest.mark.parametrize(
    "answer",
    [{}, {"list": None}, {"list": {}}, {"list": "x"}, {"list": 1}, {"data": [ENTRY]}, {"errcode": 0}],
)
def test_an_answer_without_a_list_is_refused(answer: Any) -> None:
    with pytest.raises(CheckAnswerError, match="no list in the answer"):
        rows(answer)


def test_several_rows_are_refused() -> None:
    with pytest.raises(CheckAnswerError, match="2 rows for 2017-03-13, expected one"):
        rows({"list": [ENTRY, ENTRY]})


@pytest.mark.parametrize("entry", [None, 1, "x", [], True, [ENTRY]])
def test_a_row_that_is_no_object_is_refused(entry: Any) -> None:
    with pytest.raises(CheckAnswerError, match="expected an object") as caught:
        rows({"list": [entry]})

    assert f"the row for 2017-03-13 is {entry!r:.80}, expected" in str(caught.value)


@pytest.mark.parametrize(
    "ref_date", ["20170312", "2017-03-13", "20170313-20170313", "201703", "", None, 20170313, [], "20170313 "]
)
def test_a_row_for_another_period_than_asked_is_refused(ref_date: Any) -> None:
    with pytest.raises(CheckAnswerError, match="asked for 20170313, got ref_date") as caught:
        row_of(ref_date=ref_date)

    assert f"got ref_date {ref_date!r}." in str(caught.value)


def test_a_row_without_its_period_is_refused() -> None:
    with pytest.raises(CheckAnswerError, match="asked for 20170313, got ref_date None"):
        rows({"list": [{key: value for key, value in ENTRY.items() if key != "ref_date"}]})


@pytest.mark.parametrize("name", ["session_cnt", "visit_pv", "visit_uv", "visit_uv_new"])
def test_a_count_that_is_left_out_is_refused(name: str) -> None:
    with pytest.raises(CheckAnswerError, match=f"{name} is missing"):
        rows({"list": [{key: value for key, value in ENTRY.items() if key != name}]})


@pytest.mark.parametrize("name", ["session_cnt", "visit_uv_new"])
@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        "7",
        "",
        [],
        {},
        1.5,
        2**63,
        -(2**63) - 1,
        float(2**63),
        10**400,
        float("inf"),
        float("nan"),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_a_count_that_is_no_64_bit_integer_is_refused(name: str, value: Any) -> None:
    with pytest.raises(CheckAnswerError, match=f"{name} is .*, expected a") as caught:
        row_of(**{name: value})

    assert f"{name} is {value!r}"[:60] in str(caught.value)


@pytest.mark.parametrize("name", ["session_cnt", "visit_uv_new"])
def test_a_count_that_is_null_is_refused(name: str) -> None:
    with pytest.raises(CheckAnswerError, match=f"{name} is missing"):
        row_of(**{name: None})


@pytest.mark.parametrize("name", ["stay_time_uv", "visit_depth"])
@pytest.mark.parametrize(
    "value",
    [True, "1.5", [], {}, 10**400, float("inf"), -float("inf"), float("nan")],
    ids=lambda value: repr(value)[:12],
)
def test_an_average_that_is_no_finite_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(CheckAnswerError, match=f"{name} is .*, expected a"):
        row_of(**{name: value})


def test_a_refusal_names_the_path_and_does_not_repeat_a_long_value() -> None:
    with pytest.raises(CheckAnswerError) as caught:
        row_of(visit_pv="x" * 10_000)

    assert caught.value.path == DAILY.path
    assert caught.value.errmsg == f"visit_pv is '{'x' * 79}, expected a number"


def test_an_answer_without_a_list_is_told_by_ten_of_its_names() -> None:
    answer = {f"name_{number}": number for number in range(10, 30)}

    with pytest.raises(CheckAnswerError) as caught:
        rows(answer)

    assert caught.value.errmsg == f"no list in the answer, only {list(answer)[:10]}"


def test_names_without_end_are_not_repeated() -> None:
    with pytest.raises(CheckAnswerError) as caught:
        rows({"x" * 1_000_000: 1})

    assert len(str(caught.value)) < 700


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"list":[{"ref_date":"2017',
        b'{"list":[]} trailing',
        b"{'list':[]}",
        b'{"list":[],}',
        b'\xef\xbb\xbf{"list":[]}',
        '{"list":[]}'.encode("utf-16"),
        b'{"errmsg":"\xff\xfe"}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":-1e400}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:24]).replace("\\", ""),
)
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(CheckAnswerError, match="not JSON but") as caught:
        decode(body, "/path")

    assert caught.value.path == "/path"
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("body", [b"[]", b'[{"list":[]}]', b'"text"', b"1", b"null", b"true"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(CheckAnswerError, match="not a JSON object but"):
        decode(body, "/path")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>" + b"x" * 74, f"not JSON but '<html>{'x' * 74}'"),
        (b"<html>" + b"x" * 75, f"not JSON but '<html>{'x' * 74}' … (81 bytes)"),
        (b'{"access_token":"68_NEW-TOKEN","expires', """not JSON but '{"access_token":"***","expires'"""),
    ],
)
def test_a_refused_body_shows_its_beginning_and_where_that_is_not_all_its_length(
    body: bytes, told: str
) -> None:
    with pytest.raises(CheckAnswerError) as caught:
        decode(body, "/path")

    assert caught.value.errmsg == told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b" <html>TOKEN</html>", "not JSON but HTML (19 bytes)"),
        (b'{"access_token":"TOKEN', "not JSON but something else (22 bytes)"),
        (b'["TOKEN"]<', "not JSON but something else (10 bytes)"),
        (b'["TOKEN"]', "not a JSON object but something else (9 bytes)"),
    ],
)
def test_a_body_that_must_not_be_quoted_is_told_by_its_kind(body: bytes, told: str) -> None:
    with pytest.raises(CheckAnswerError) as caught:
        decode(body, "/path", quoting=False)

    assert caught.value.errmsg == told


@pytest.mark.parametrize(
    "body",
    [
        b'{"access_token":"68_NEW-TOKEN","expires_in":72',
        b'{"access_token" : "68_NEW-TOK',
        b'[{"expires_in":7200,"access_token":"68_NEW-TOKEN"}]',
        b'{"authorizer_refresh_token":"68_NEW-TOKEN',
    ],
)
def test_a_refused_body_does_not_show_a_token_it_holds(body: bytes) -> None:
    with pytest.raises(CheckAnswerError) as caught:
        decode(body, "/path")

    assert "NEW-TOK" not in str(caught.value)


@fuzzed("any bytes as an answer: an object, or an error to check", st.binary())
@example(b'{"a":1e999}')
def test_any_bytes_give_an_object_or_an_error_to_check(body: bytes) -> None:
    try:
        answer = decode(body, "/path")
    except CheckAnswerError:
        return

    assert type(answer) is dict


# errcodes


@pytest.mark.parametrize(
    "answer", [{}, {"errcode": 0}, {"errcode": "0"}, {"errcode": 0, "errmsg": "ok"}, {"errcode": 0.0}]
)
def test_no_errcode_or_zero_is_a_success(answer: dict[str, Any]) -> None:
    raise_for_errcode(answer, "/path")


@pytest.mark.parametrize("errcode", [40001, "40001", 40001.0])
def test_an_errcode_counts_as_number_or_text(errcode: Any) -> None:
    with pytest.raises(RenewTokenError, match="errcode 40001 from /path: words") as caught:
        raise_for_errcode({"errcode": errcode, "errmsg": "words"}, "/path")

    assert caught.value.errcode == 40001


def test_a_refused_secret_is_told_from_a_stale_token() -> None:
    with pytest.raises(FixCredentialsError):
        raise_for_errcode({"errcode": 40001}, "/path", token_endpoint=True)


def test_an_errcode_counts_even_beside_a_list() -> None:
    with pytest.raises(RenewTokenError):
        raise_for_errcode({"errcode": 40001, "list": [ENTRY]}, "/path")


@pytest.mark.parametrize(
    "errcode",
    [None, "", "x", [], {}, float("inf"), float("nan"), "1" * 5000],
    ids=lambda value: repr(value)[:12],
)
def test_an_errcode_that_is_no_number_is_refused(errcode: Any) -> None:
    with pytest.raises(CheckAnswerError, match=r"^from /path: errcode is .*, not a number") as caught:
        raise_for_errcode({"errcode": errcode}, "/path")

    assert repr(errcode)[:80] in str(caught.value)

    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("errmsg", [None, 7, ["x"], {"a": 1}])
def test_an_errmsg_that_is_no_text_does_not_hide_the_errcode(errmsg: Any) -> None:
    with pytest.raises(RenewTokenError) as caught:
        raise_for_errcode({"errcode": 42001, "errmsg": errmsg}, "/path")

    assert caught.value.errmsg == ("access token expired" if errmsg is None else str(errmsg))


# Whatever WeChat says

fields = st.sampled_from([field.name for field in DAILY.fields])
entries = st.builds(
    lambda changes, unknown: {**unknown, **ENTRY, **changes},
    st.dictionaries(fields, st.one_of(numbers, json_values), max_size=2),
    json_objects,
)
answers = st.one_of(
    json_objects,
    st.fixed_dictionaries(
        {"list": st.one_of(json_values, st.lists(st.one_of(json_values, entries), max_size=2))},
        optional={"errcode": json_values, "errmsg": json_values},
    ),
)


@fuzzed("any JSON as a report's answer: whole rows, or a documented error", answers)
@example({"list": [{**ENTRY, "new": 1e308}]})
@example({"errcode": float("inf"), "list": []})
@example({"list": [{**ENTRY, "new": float("inf")}]})
def test_any_json_object_gives_rows_or_a_wechat_error(answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()

    try:
        decoded = decode(body, "/path")
        raise_for_errcode(decoded, "/path")
        found = rows(decoded)
    except WeChatError:
        return

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [list(row) for row in found] == [[column.name for column in DAILY.columns]] * len(found)


@fuzzed("a row that is given holds what WeChat said", entries)
@example({**ENTRY, "stay_time_uv": 2**53 + 1})
@example({**ENTRY, "visit_pv": 2**53 + 1})
def test_a_row_that_is_given_holds_what_wechat_said(entry: dict[str, Any]) -> None:
    try:
        [row] = rows({"list": [entry]})
    except CheckAnswerError:
        return

    for field in DAILY.fields:
        said = entry.get(field.name)
        is_whole = field.type is ColumnType.INTEGER or said is None
        assert row[field.name] == (said if is_whole else float(said))  # the nearest double


def test_what_is_nested_without_end_is_refused_so_that_all_that_is_read_can_be_written() -> None:
    deepest = b'{"a":' + b"[" * 100 + b"]" * 100 + b"}"

    assert json.dumps(decode(deepest, "/path"), separators=(",", ":")).encode() == deepest
    with pytest.raises(CheckAnswerError, match="JSON of more than 100 levels") as caught:
        decode(b'{"a":' + deepest + b"}", "/path")
    assert caught.value.path == "/path"


# Quotas

quotas = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("daily_limit", "used", "remain", "rate_limit"), numbers | json_values)
)
rates = st.fixed_dictionaries({"call_count": json_values | numbers, "refresh_second": json_values | numbers})
QUOTA = {"daily_limit": 1000, "used": 3, "remain": 997}


@fuzzed(
    "any JSON as a quota: numbers, or a documented error",
    st.one_of(
        json_objects,
        st.fixed_dictionaries({"quota": quotas | json_values}, optional={"rate_limit": rates | json_values}),
    ),
)
@example({"quota": QUOTA, "rate_limit": {"call_count": 10**400, "refresh_second": 1}})
def test_any_json_object_gives_a_quota_or_an_error_to_check(answer: dict[str, Any]) -> None:
    try:
        quota = quota_in(answer, "/path")
    except CheckAnswerError as error:
        expect_ours(error, CheckAnswerError, longest=700)
        return

    assert all(type(number) is int for number in (quota.daily_limit, quota.used, quota.remaining))
    assert quota.a_minute is None or math.isfinite(quota.a_minute)


@pytest.mark.parametrize(
    ("rate", "a_minute"),
    [
        ({"call_count": 5000, "refresh_second": 60}, 5000.0),
        ({"call_count": "10", "refresh_second": "1"}, 600.0),
        ({"call_count": 10**400, "refresh_second": 1}, None),
        ({"call_count": "1e999", "refresh_second": 1}, None),
        ({"call_count": 1, "refresh_second": 0}, None),
        ({"call_count": 1}, None),
        ({"call_count": "many", "refresh_second": 60}, None),
        ({}, None),
        ([], None),
        ("x", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_rate_counts_a_minute_wherever_wechat_puts_it(
    rate: Any, a_minute: float | None, inside: bool
) -> None:
    answer = {"quota": QUOTA | {"rate_limit": rate}} if inside else {"quota": QUOTA, "rate_limit": rate}

    assert quota_in(answer, "/path") == Quota(1000, 3, 997, a_minute)


@pytest.mark.parametrize(
    "answer", [{"names": 1, "only": 2}, {"quota": [], "x" * 10_000: 1}, {"quota": QUOTA | {"used": None}}]
)
def test_an_answer_without_a_quota_is_refused_by_its_names(answer: dict[str, Any]) -> None:
    with pytest.raises(
        CheckAnswerError, match=rf"^from /path: no quota in the answer, only \['{min(answer)[:9]}"
    ) as caught:
        quota_in(answer, "/path")

    assert len(str(caught.value)) < 700
