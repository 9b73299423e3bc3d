"""Of all this machine's processes, and whatever their file says: no more is forced than WeChat allows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_wechat.client.token_sources import forced
from airflow_wechat.client.token_sources.forced import ForcedRefreshes

URL, APP, SECRET = "https://api.weixin.qq.com", "wx0000000000000001", "an AppSecret"
NOON = datetime(2026, 3, 13, 4, tzinfo=UTC).timestamp()  # in Beijing


class Now:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> float:
        return self.moment


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "moments"


def force(refreshes: ForcedRefreshes) -> None:
    with refreshes.turn():
        assert refreshes.allowed()
        refreshes.note()
        refreshes.answered()


def allowed(refreshes: ForcedRefreshes) -> bool:
    with refreshes.turn():
        return refreshes.allowed()


def test_all_who_know_an_app_count_together() -> None:
    force(ForcedRefreshes.of(URL, APP, SECRET))

    assert not allowed(ForcedRefreshes.of(URL, APP, SECRET))
    assert not allowed(ForcedRefreshes.of("https://api2.weixin.qq.com", APP, SECRET))


def test_it_is_counted_by_the_clock_that_is_given(
    now: Now, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    shared = ForcedRefreshes.of(URL, APP, SECRET, now)
    file.touch()
    monkeypatch.setattr("tempfile.tempdir", str(file))  # where there can be none
    alone = ForcedRefreshes.of(URL, APP, SECRET, now)

    assert (shared.now(), alone.now()) == (NOON, NOON)


@pytest.mark.parametrize(("later", "since"), [(0.0, True), (0.9, True), (1.0, False)])
def test_what_was_forced_a_second_before_may_have_been_after(
    now: Now, file: Path, later: float, since: bool
) -> None:
    """WeChat's clock is known to a second."""
    refreshes = ForcedRefreshes(file, now)
    force(refreshes)

    assert refreshes.since(NOON + later) is since


@pytest.mark.parametrize(
    "other",
    [
        ("https://gateway.example", APP, SECRET),
        (URL, "wx0000000000000002", SECRET),
        (URL, APP, "another AppSecret"),
    ],
    ids=["another host", "another app", "another AppSecret"],
)
def test_others_count_by_themselves(other: tuple[str, str, str]) -> None:
    force(ForcedRefreshes.of(URL, APP, SECRET))

    assert allowed(ForcedRefreshes.of(*other))


def test_the_moments_are_not_where_the_token_is() -> None:
    token = forced.own_file(URL, APP, SECRET)

    force(ForcedRefreshes.of(URL, APP, SECRET))

    assert not token.exists()
    assert forced.own_file(URL, APP, SECRET, "force_refresh").exists()


def test_where_there_can_be_no_file_a_client_counts_its_own(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    file.touch()
    monkeypatch.setattr("tempfile.tempdir", str(file))
    refreshes = ForcedRefreshes.of(URL, APP, SECRET)

    force(refreshes)

    assert not allowed(refreshes)
    assert allowed(ForcedRefreshes.of(URL, APP, SECRET))


@pytest.mark.parametrize("before", [None, "[]"], ids=["without a file", "which cannot be changed"])
def test_on_a_full_disk_a_client_counts_its_own(
    now: Now, monkeypatch: pytest.MonkeyPatch, file: Path, before: str | None
) -> None:
    if before is not None:
        file.write_text(before)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(forced, "write_whole", full)
    refreshes = ForcedRefreshes(file, now)

    force(refreshes)

    assert not allowed(refreshes)


def test_it_is_allowed_twenty_times_in_any_24_hours(now: Now, file: Path) -> None:
    for number in range(20):
        now.moment = NOON + number * 31
        force(ForcedRefreshes(file, now))
    assert len(json.loads(file.read_text())) == 20

    now.moment = NOON + 24 * 3600 - 1
    assert not allowed(ForcedRefreshes(file, now))
    now.moment += 1
    assert allowed(ForcedRefreshes(file, now))


def test_while_another_hangs_with_the_turn_nobody_has_it_nor_waits_for_ever(now: Now, file: Path) -> None:
    late = ForcedRefreshes(file, now, patience=0.1).turn()

    with ForcedRefreshes(file, now).turn(), pytest.raises(TimeoutError, match=r"for 0\.1 seconds"), late:
        pytest.fail("two have the turn")


@pytest.mark.parametrize("later", [30.9, -30.9])
def test_it_is_not_allowed_within_thirty_seconds(now: Now, file: Path, later: float) -> None:
    force(ForcedRefreshes(file, now))
    now.moment += later

    assert not allowed(ForcedRefreshes(file, now))


def test_what_is_noted_counts_before_it_is_answered(now: Now, file: Path) -> None:
    refreshes = ForcedRefreshes(file, now)
    with refreshes.turn():
        refreshes.note()

    assert json.loads(file.read_text()) == [NOON]
    assert not allowed(ForcedRefreshes(file, now))


def test_an_answer_moves_only_what_was_noted_last(now: Now, file: Path) -> None:
    file.write_text(json.dumps([NOON - 90, NOON - 60]))
    refreshes = ForcedRefreshes(file, now)
    with refreshes.turn():
        refreshes.note()
        now.moment += 5
        refreshes.answered()

    assert json.loads(file.read_text()) == [NOON - 90, NOON - 60, NOON + 5]


BIG = b"[%d]" % 10**400


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"7", b"null", b'["x"]', b"[null]", b"[[1]]", b"[1e400]", BIG, b"\xff", b"[" * 100_000],
    ids=lambda content: repr(content[:8]).replace("\\", ""),
)
def test_a_file_that_says_no_moments_is_none(now: Now, file: Path, content: bytes) -> None:
    file.write_bytes(content)

    force(ForcedRefreshes(file, now))

    assert json.loads(file.read_text()) == [NOON]


@pytest.mark.parametrize("ahead", [0.5, 40.0, 5 * 3600.0, 1e30])
def test_a_moment_ahead_counts_as_of_now(now: Now, file: Path, ahead: float) -> None:
    file.write_text(json.dumps([NOON - 90, NOON + ahead]))

    assert not allowed(ForcedRefreshes(file, now))
    assert json.loads(file.read_text()) == [NOON - 90, NOON]
    now.moment += 31
    assert allowed(ForcedRefreshes(file, now))


def test_moments_ahead_count_each(now: Now, file: Path) -> None:
    file.write_text(json.dumps([NOON + 3600 + number for number in range(20)]))

    assert not allowed(ForcedRefreshes(file, now))
    now.moment += 24 * 3600 - 1
    assert not allowed(ForcedRefreshes(file, now))
    now.moment += 1
    assert allowed(ForcedRefreshes(file, now))


@pytest.mark.parametrize("back", [40.0, 120.0])
def test_while_the_clock_goes_back_nothing_is_forced(now: Now, file: Path, back: float) -> None:
    force(ForcedRefreshes(file, now))

    for _ in range(5):
        now.moment -= back
        assert not allowed(ForcedRefreshes(file, now))
