from __future__ import annotations

import copy
import pickle

import pytest

from airflow_wechat.client.errors import (
    ERRCODES,
    CheckAnswerError,
    FixCredentialsError,
    WaitForDataError,
    WeChatError,
    error_of,
)
from client.documented import PAIRS, RETRYABLE

PATH = "/datacube/getweanalysisappiddailyvisittrend"
TOKEN_PATH = "/cgi-bin/stable_token"
RID = "rid: 613f14c0-1b1ad127-7d3cab45"

every_class = pytest.mark.parametrize("error_class", RETRYABLE)


def same(one: WeChatError, other: WeChatError) -> bool:
    def content(error: WeChatError) -> tuple[object, ...]:
        return type(error), str(error), error.errmsg, error.errcode, error.path, error.advice, error.retryable

    return content(one) == content(other)


@pytest.mark.parametrize(("errcode", "error_class"), PAIRS)
def test_an_errcode_becomes_the_error_that_says_what_to_do(
    errcode: int, error_class: type[WeChatError]
) -> None:
    assert type(error_of(errcode, "words", PATH)) is error_class


@pytest.mark.parametrize("errcode", sorted(ERRCODES))
def test_no_errcode_has_a_meaning_that_this_table_does_not_check(errcode: int) -> None:
    assert errcode in dict(PAIRS)


@pytest.mark.parametrize(("errcode", "error_class"), [pair for pair in PAIRS if pair[0] != 40001], ids=str)
def test_an_errcode_means_the_same_on_a_token_endpoint(errcode: int, error_class: type[WeChatError]) -> None:
    assert type(error_of(errcode, "words", TOKEN_PATH, token_endpoint=True)) is error_class


def test_40001_on_a_token_endpoint_means_a_wrong_secret_and_is_fatal() -> None:
    error = error_of(40001, "invalid credential", TOKEN_PATH, token_endpoint=True)

    assert type(error) is FixCredentialsError
    assert not error.retryable
    assert "AppSecret" in error.advice


@pytest.mark.parametrize("errcode", [1, 40003, 61505, 99999, -2, 40229, 2**70])
def test_an_unknown_errcode_becomes_the_base_class_and_keeps_the_code(errcode: int) -> None:
    error = error_of(errcode, "words", PATH)

    assert type(error) is WeChatError
    assert error.errcode == errcode


@pytest.mark.parametrize(("error_class", "retryable"), RETRYABLE.items())
def test_an_error_tells_whether_trying_again_may_help(
    error_class: type[WeChatError], retryable: bool
) -> None:
    assert error_class("words").retryable is retryable


@every_class
def test_every_error_is_a_wechat_error(error_class: type[WeChatError]) -> None:
    assert issubclass(error_class, WeChatError)


def test_no_error_class_is_missing_from_these_tests() -> None:
    assert {WeChatError, *WeChatError.__subclasses__()} == set(RETRYABLE)


@every_class
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "arguments",
    [("words",), (f"words {RID}", 40001, PATH), ("words", 1, PATH, "do this"), ("", None, None, None)],
)
def test_pickling_keeps_everything(
    error_class: type[WeChatError], protocol: int, arguments: tuple[object, ...]
) -> None:
    error = error_class(*arguments)  # type: ignore[arg-type]

    assert same(pickle.loads(pickle.dumps(error, protocol)), error)


@every_class
def test_copying_keeps_everything(error_class: type[WeChatError]) -> None:
    error = error_class("words", 1, PATH, "do this")

    assert same(copy.copy(error), error)


@every_class
def test_its_repr_shows_all_that_an_error_was_made_of(error_class: type[WeChatError]) -> None:
    error = error_class("words", 1, PATH, "do this")

    assert repr(error) == f"{error_class.__name__}('words', 1, {PATH!r}, 'do this')"


@every_class
def test_an_error_with_other_advice_is_the_same_but_for_it(error_class: type[WeChatError]) -> None:
    error = error_class("words", 1, PATH, "do this")

    assert same(error.with_advice("do that"), error_class("words", 1, PATH, "do that"))


@pytest.mark.parametrize("errcode", [errcode for errcode, _ in PAIRS] + [99999])
def test_a_message_holds_code_path_wechats_words_and_what_to_do(errcode: int) -> None:
    error = error_of(errcode, f"some words {RID}", PATH)

    assert str(error) == f"errcode {errcode} from {PATH}: some words {RID}. What to do: {error.advice}."


@pytest.mark.parametrize("errcode", [errcode for errcode, _ in PAIRS])
def test_where_wechat_says_nothing_the_codes_meaning_is_told(errcode: int) -> None:
    error = error_of(errcode, "", PATH)

    assert error.errmsg == ERRCODES[errcode].meaning
    assert len(error.errmsg) > 5


def test_an_unknown_code_without_words_still_reads_as_a_sentence() -> None:
    assert str(error_of(99999, "", PATH)).startswith(f"errcode 99999 from {PATH}: no message. What to do: ")


def test_a_message_without_a_code_names_the_path_only() -> None:
    error = CheckAnswerError("no list", path=PATH, advice="look")

    assert str(error) == f"from {PATH}: no list. What to do: look."


def test_a_message_without_code_and_path_begins_with_the_words() -> None:
    assert str(WeChatError("words", advice="look")) == "words. What to do: look."


@every_class
def test_every_class_has_advice_of_its_own(error_class: type[WeChatError]) -> None:
    others = {other.default_advice for other in RETRYABLE if other is not error_class}

    assert error_class("words").advice == error_class.default_advice
    assert error_class.default_advice not in others


@pytest.mark.parametrize(
    ("errcode", "word"),
    [
        (40013, "AppID"),
        (40125, "AppSecret"),
        (40243, "unfreeze"),
        (40164, "allow-list"),
        (61007, "permission set 18"),
        (45011, "max_concurrency"),
        (45009, "tomorrow"),
        (61502, "mini game"),
        (61501, "clock"),
        (48001, "administrator"),
    ],
)
def test_the_advice_names_the_thing_to_change(errcode: int, word: str) -> None:
    assert word in error_of(errcode, "words", PATH).advice


def test_not_ready_by_errcode_is_not_an_empty_answer() -> None:
    error = error_of(61503, "data not ready", PATH)

    assert isinstance(error, WaitForDataError)
    assert not error.empty


def test_not_ready_without_errcode_is_an_empty_answer() -> None:
    assert WaitForDataError("an empty list", path=PATH).empty
