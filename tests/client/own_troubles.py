"""The troubles that WeChat itself has, for whoever asks a sandbox meanwhile."""

from __future__ import annotations

import math
import threading
from collections import Counter
from datetime import date
from itertools import count

from airflow_wechat.client.periods import periods_between
from airflow_wechat.sandbox.calls import Call
from airflow_wechat.sandbox.journal import Scripted
from airflow_wechat.sandbox.roads import ROADS
from client.examined import refusal
from client.sandboxed import DAILY, STABLE, HandClock
from client.troubled import TOKEN_PATHS, Answers, TroubledSandbox

TRIES = 4
HOUR = 3600.0
DAYS = list(periods_between(DAILY.granularity, date(2026, 1, 1), date(2026, 1, 12)))
SELF_RENEWING = [name for name in ROADS if name not in {"supplied", "cloud_run"}]

WRONG = [sign * hours * HOUR for hours in (1, 8, 13, 49) for sign in (1, -1)]
"""Seconds by which a clock may be wrong."""

BUSY: dict[str, Scripted] = {
    "-1": refusal(-1),
    "61504": refusal(61504),
    "45011": refusal(45011),
    "503": 503,
    "no answer": ConnectionError,
}


def some_of(answers: Answers, begin: int = 0, end: float = math.inf) -> Answers:
    """Give only some of the answers, by their numbers from 0 on, and WeChat's own instead of the others."""
    numbers = count()

    def answer(call: Call) -> Scripted | None:
        scripted = answers(call)
        return None if scripted is None or not begin <= next(numbers) < end else scripted

    return answer


def taking_over(sandbox: TroubledSandbox, clock: HandClock) -> None:
    """Make a classic token as another service with the same AppSecret does; what was there is dead now."""
    sandbox.wechat._tokens.classic(sandbox.app.app_id, clock())
    clock.turn_on(301)


def dead_for_good(token: str) -> Answers:
    """Let whoever gives tokens give one that WeChat does not know, whatever is asked."""
    names = ("access_token", "authorizer_access_token")
    given = {**dict.fromkeys(names, token), "expires_in": 7200}
    return lambda call: {**given, "data": given} if call.path in TOKEN_PATHS else None


def dead_until_forced(sandbox: TroubledSandbox, processes: int) -> Answers:
    """Let ``stable_token`` go on giving the token that has ended, until somebody forces another one.

    The worst moment to do so is when every process has the dead token a second time, and not before.
    """
    dead = {"access_token": sandbox.stable_token(sandbox.app), "expires_in": 7200}
    sandbox.end_tokens()
    asked: Counter[str] = Counter()
    all_refused, forced = threading.Barrier(processes), threading.Event()

    def answers(call: Call) -> Scripted | None:
        if call.path != STABLE or forced.is_set():
            return None
        if b'"force_refresh":true' in call.body:
            forced.set()
            return None
        asker = call.headers["User-Agent"]
        asked[asker] += 1
        if asked[asker] == 2:
            all_refused.wait(60)
        return dead

    return answers
