"""What WeChat grants: a token, this machine's address, the reports and their quota; and its time."""

from __future__ import annotations

import re
from ipaddress import ip_address

from airflow_wechat.client.client import QUOTA_PATH
from airflow_wechat.client.errors import (
    AllowAddressError,
    FixCredentialsError,
    RenewTokenError,
    TryAgainError,
    WaitForDataError,
    WaitForQuotaError,
    WeChatError,
)
from airflow_wechat.client.options import SEALING
from airflow_wechat.client.periods import READY_AFTER
from airflow_wechat.client.reports import Report
from airflow_wechat.doctor.findings import State, Verdict
from airflow_wechat.doctor.patient import Patient, UnusableError

_MUCH_USED = 0.8
_CLOCKS_EQUAL = 2.0  # answers are dated to a second
_CLOCKS_APART = 60.0
_CLOCKS_FAR_APART = 300.0  # beyond it WeChat refuses signatures

_TOKEN_WORDS = {
    "stable": "stable_token gives one",
    "classic": "there is one: the one this machine's workers share, or a new one of /cgi-bin/token",
    "supplied": "WeChat accepts the one that is supplied",
    "authorizer": "WeChat gives the platform one for this Mini Program",
    "none": "none is needed, or the container has one; permission shows whether WeChat agrees",
}
_IN_TROUBLE = (
    "see whether the host, or a firewall or proxy on the way, is in trouble; then run the check again"
)
_AGAIN = "run the check again in some minutes; loads ask a few times by themselves"


def connection(patient: Patient) -> Verdict:
    """Read the connection, and make a client of it."""
    try:
        patient.access = patient.reach_wechat()
    except UnusableError as error:
        return Verdict(State.FAILED, error.words, error.to_do)
    except WeChatError as error:
        return Verdict(State.FAILED, error.errmsg, error.advice)
    except ValueError as error:
        return Verdict(State.FAILED, str(error), "correct the connection")
    client = patient.client
    patient.app_id = client.app_id
    sealed = ", encrypted and signed" if _sealed(patient) else ""
    source, route = patient.option("token_source"), patient.option("route")
    words = f"AppID {client.app_id}, token_source={source}, route={route}{sealed}, {client.base_url}"
    return Verdict(State.OK, words)


def token(patient: Patient) -> Verdict:
    """Get a token, and try one that WeChat has not given itself on the quota call."""
    source = patient.option("token_source")
    try:
        patient.client.check_credentials()
    except OSError as error:  # of the file in which a machine's workers share a token
        return Verdict(State.FAILED, f"{type(error).__name__}: {error}", "mend what the message names")
    except WeChatError as error:
        patient.token_error = error
        to_do = _to_do(error, source)
        if _concerns_the_quota_only(error):
            words = f"{said(error)}; permission shows whether WeChat accepts the token"
            return Verdict(State.WARNING, words, to_do)
        return Verdict(State.FAILED, said(error), to_do)
    return Verdict(State.OK, _TOKEN_WORDS[source])


def address(patient: Patient) -> Verdict:
    """Name the IP address that WeChat sees, where it refuses it."""
    error, source = patient.token_error, patient.option("token_source")
    if isinstance(error, AllowAddressError) and (seen := address_in(error.errmsg)):
        to_do = error.advice.replace("the IP address that the message names", seen)
        return Verdict(State.FAILED, f"WeChat sees {seen} and refuses it", to_do)
    if source not in ("stable", "authorizer"):
        return Verdict(
            State.SKIPPED, f"token_source={source}: WeChat was not asked with a secret for a token"
        )
    if error:
        return Verdict(State.SKIPPED, "WeChat has named none")
    return Verdict(State.OK, "WeChat lets this machine use the secret")


def permission(patient: Patient, report: Report) -> Verdict:
    """Ask for the report's latest complete period."""
    error = patient.ask(report).error
    if error is None or isinstance(error, WaitForDataError):
        return Verdict(State.OK, "granted")
    passing = isinstance(error, WaitForQuotaError) or (
        isinstance(error, TryAgainError) and not _silent(error)
    )
    state = State.WARNING if passing else State.FAILED
    return Verdict(state, said(error), _to_do(error, patient.option("token_source")))


def newest(patient: Patient, report: Report) -> Verdict:
    """Tell whether the latest complete period is published, by the answer to :func:`permission`."""
    answer = patient.ask(report)
    period = answer.period
    if isinstance(answer.error, WaitForDataError):
        words = f"{period} is not published yet ({_reason(answer.error)})"
        if patient.now() < period.ends_at + READY_AFTER:
            return Verdict(State.OK, f"{words}: normal before 10:30 Beijing time")
        return Verdict(State.WARNING, words, answer.error.advice)
    if answer.error:
        return Verdict(State.SKIPPED, "WeChat has not told")
    if not answer.rows:
        return Verdict(
            State.WARNING,
            f"WeChat has no data for {period}",
            "nothing where nobody has opened the Mini Program; else see its numbers in WeChat's console",
        )
    return Verdict(State.OK, f"{period} is published")


def quota(patient: Patient, report: Report) -> Verdict:
    """Ask how much of the report's quota is used; costs none of it."""
    for name, value, reason in (
        ("route", "cloud_function", "the cloud environment has a quota of its own, see WeChat's console"),
        ("token_source", "none", "inside Cloud Run WeChat does not tell"),
    ):
        if patient.option(name) == value:
            return Verdict(State.SKIPPED, f"{name}={value}: {reason}")
    try:
        found = patient.client.quota(report)
    except WeChatError as error:
        return Verdict(State.WARNING, said(error), _to_do(error, patient.option("token_source")))
    rate = "" if found.a_minute is None else f", {found.a_minute:,.0f} a minute"
    words = f"{found.used:,} of {found.daily_limit:,} calls used today, {found.remaining:,} left{rate}"
    if found.used > _MUCH_USED * found.daily_limit or found.remaining <= 0:
        return Verdict(State.WARNING, words, "see which service calls so often; loads need a call a period")
    return Verdict(State.OK, words)


def clock(patient: Patient) -> Verdict:
    """Compare this machine's clock with WeChat's."""
    ahead = patient.client.clock_ahead
    if ahead is None:
        return Verdict(State.SKIPPED, "no answer of WeChat told its time")
    side = "ahead of" if ahead > 0 else "behind"
    words = f"this machine's is {abs(ahead):.0f} s {side} WeChat's"
    if abs(ahead) <= _CLOCKS_APART:
        return Verdict(
            State.OK, words if abs(ahead) > _CLOCKS_EQUAL else "this machine's agrees with WeChat's"
        )
    fatal = _sealed(patient) and abs(ahead) > _CLOCKS_FAR_APART
    to_do = "synchronise this machine's clock by NTP: periods and signatures follow it"
    return Verdict(State.FAILED if fatal else State.WARNING, words, to_do)


def said(error: WeChatError) -> str:
    """Return an error's code, path and words, without its advice."""
    code = "" if error.errcode is None else f"errcode {error.errcode}"
    place = f"from {error.path}" if error.path else ""
    return f"{' '.join(filter(None, (code, place)))}: {error.errmsg}".removeprefix(": ")


def address_in(errmsg: str) -> str | None:
    """Return the first IP address that a message names."""
    for word in re.findall(r"[0-9A-Fa-f:.]{3,45}", errmsg):
        try:
            return str(ip_address(word.rstrip(".:")))
        except ValueError:
            continue
    return None


def _concerns_the_quota_only(error: WeChatError) -> bool:
    about_the_token = isinstance(error, RenewTokenError | FixCredentialsError)
    return error.path == QUOTA_PATH and not about_the_token and not _silent(error)


def _reason(error: WaitForDataError) -> str:
    return "an empty list" if error.empty else f"errcode {error.errcode}"


def _silent(error: WeChatError) -> bool:
    """Tell whether WeChat itself may not have been reached at all."""
    return isinstance(error, TryAgainError) and error.errcode is None


def _to_do(error: WeChatError, source: str) -> str:
    if _silent(error):
        return _IN_TROUBLE
    if isinstance(error, TryAgainError):
        return _AGAIN
    if isinstance(error, RenewTokenError):
        return _REFUSED_TOKEN.get(source, error.advice)
    if error.errcode in _CLOCK_CODES:
        return f"{error.advice}: see the line clock"
    return error.advice


_CLOCK_CODES = (61501, 40240)

_REFUSED_TOKEN = {
    "supplied": "put a token that is good into access_token, or mend the token server that token_url names",
    "none": "run this inside WeChat Cloud Run, with the report's path among the interfaces it permits",
}


def _sealed(patient: Patient) -> bool:
    return SEALING[0] in patient.access.options
