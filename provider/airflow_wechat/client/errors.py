"""What can go wrong with WeChat, named by what the reader must do.

::

    WeChatError                 an errcode we do not know; also the root of all below
    ├── RenewTokenError         the access token is stale; renewed once by the client itself
    ├── TryAgainError           a passing trouble; asked again a few times by the client itself
    ├── WaitForDataError        WeChat has not published the period yet
    ├── WaitForQuotaError       nothing more today
    ├── CheckAnswerError        the answer is not what WeChat documents
    ├── FixCredentialsError     AppID or AppSecret are not accepted
    ├── AllowAddressError       WeChat refuses the machine's IP address
    ├── AskPermissionError      the account may not do this
    └── FixRequestError         the request itself is wrong

Each carries ``retryable``: whether the same request may succeed later without anybody acting.
Source: https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Self


class WeChatError(Exception):
    """WeChat refused a call or could not be understood.

    :param errmsg: WeChat's words with their ``rid``, or ours where WeChat said nothing
    :param errcode: WeChat's code; ``None`` where the answer had none
    :param path: the path of the call, without its query
    :param advice: what to do about it
    """

    retryable: ClassVar[bool] = True
    default_advice: ClassVar[str] = "look the errcode up in WeChat's list; give its support the rid"

    def __init__(
        self, errmsg: str, errcode: int | None = None, path: str | None = None, advice: str | None = None
    ) -> None:
        super().__init__(errmsg, errcode, path, advice)  # all of them, so that it survives pickling
        self.errmsg = errmsg
        self.errcode = errcode
        self.path = path
        self.advice = advice or self.default_advice

    def with_advice(self, advice: str) -> Self:
        """Return the same trouble with other words on what to do."""
        return type(self)(self.errmsg, self.errcode, self.path, advice)

    def __str__(self) -> str:
        code = "" if self.errcode is None else f"errcode {self.errcode}"
        place = f"from {self.path}" if self.path else ""
        source = " ".join(filter(None, (code, place)))
        return f"{source}: {self.errmsg}. What to do: {self.advice}.".removeprefix(": ")


class RenewTokenError(WeChatError):
    """The access token is stale, and renewing it once did not help."""

    default_advice = (
        "see whether another service makes tokens with the same AppSecret (/cgi-bin/token ends the tokens of "
        "others; stable_token does not), then let the task retry"
    )


class TryAgainError(WeChatError):
    """A passing trouble outlasted the client's own tries."""

    default_advice = "nothing; the task's retries ask again"


class WaitForDataError(WeChatError):
    """WeChat has not published the period yet: errcode 61503, or an empty list for a recent period."""

    default_advice = "wait; WeChat publishes most days after 10:00 Beijing time, some after 15:00"

    @property
    def empty(self) -> bool:
        """Whether WeChat answered with an empty list, which may as well mean that there is no data."""
        return self.errcode is None


class WaitForQuotaError(WeChatError):
    """The quota is used up."""

    default_advice = (
        "run the task again tomorrow, Beijing time; what has landed stays. Ask for fewer periods a day, or "
        "see which other service uses the quota up"
    )


class CheckAnswerError(WeChatError):
    """The answer is not what WeChat documents; nothing of it was stored."""

    default_advice = (
        "see whether a proxy or gateway answers in WeChat's place; if WeChat itself does, its interface has "
        "changed and this provider must follow"
    )


class FixCredentialsError(WeChatError):
    """AppID or AppSecret are not accepted."""

    retryable = False
    default_advice = "correct AppID (login) and AppSecret (password) in the Airflow connection"


class AllowAddressError(WeChatError):
    """WeChat does not let this machine's IP address use the AppSecret."""

    retryable = False
    default_advice = (
        "add the IP address that the message names to the allow-list in WeChat's console, under Development "
        "Settings"
    )


class AskPermissionError(WeChatError):
    """The account is not permitted to make this call."""

    retryable = False
    default_advice = "ask the Mini Program's administrator to grant it in WeChat's console"


class FixRequestError(WeChatError):
    """The request itself is wrong."""

    retryable = False
    default_advice = "this is a bug of the caller; report it with the message"


@dataclass(frozen=True)
class Errcode:
    """A code of WeChat: the error it becomes, its meaning, and what to do where the class does not say it."""

    error: type[WeChatError]
    meaning: str
    advice: str | None = None


_SECRET_ADVICE = "correct the AppSecret (password) in the Airflow connection; WeChat's console can reset it"  # noqa: S105

ERRCODES: Mapping[int, Errcode] = MappingProxyType(
    {
        40001: Errcode(RenewTokenError, "access token invalid or not the latest"),
        40014: Errcode(RenewTokenError, "access token invalid"),
        41001: Errcode(RenewTokenError, "access token missing"),
        42001: Errcode(RenewTokenError, "access token expired"),
        -1: Errcode(TryAgainError, "system busy"),
        45011: Errcode(
            TryAgainError,
            "too many calls a minute",
            "lower max_concurrency or put the tasks into a pool; the task's retries ask again",
        ),
        61504: Errcode(TryAgainError, "system busy"),
        61503: Errcode(WaitForDataError, "data not ready"),
        45009: Errcode(WaitForQuotaError, "the day's quota is used up"),
        44990: Errcode(WaitForQuotaError, "called too often"),
        44993: Errcode(WaitForQuotaError, "called too often"),
        40013: Errcode(FixCredentialsError, "AppID invalid", "correct the AppID (login) in the connection"),
        40125: Errcode(FixCredentialsError, "AppSecret invalid", _SECRET_ADVICE),
        40243: Errcode(FixCredentialsError, "AppSecret frozen", "unfreeze the AppSecret in WeChat's console"),
        41002: Errcode(FixCredentialsError, "AppID missing", "fill in the AppID (login) in the connection"),
        41004: Errcode(FixCredentialsError, "AppSecret missing", _SECRET_ADVICE),
        40164: Errcode(AllowAddressError, "IP address not on the allow-list"),
        89503: Errcode(
            AllowAddressError,
            "an administrator must confirm the call",
            "let the administrator confirm it in WeChat",
        ),
        89506: Errcode(
            AllowAddressError, "refused by the administrator, for 24 hours", "talk to the administrator"
        ),
        89507: Errcode(
            AllowAddressError, "refused by the administrator, for 1 hour", "talk to the administrator"
        ),
        48001: Errcode(AskPermissionError, "no permission for this interface"),
        48004: Errcode(AskPermissionError, "interface banned", "see the notice in the console"),
        50002: Errcode(AskPermissionError, "account limited", "see the notice in WeChat's console"),
        50004: Errcode(AskPermissionError, "interface forbidden", "see the notice in WeChat's console"),
        50007: Errcode(AskPermissionError, "account frozen", "see the notice in WeChat's console"),
        61007: Errcode(
            AskPermissionError,
            "not authorised to the third-party platform",
            "let the Mini Program's administrator grant permission set 18 to the platform",
        ),
        61004: Errcode(
            AllowAddressError,
            "IP address not registered with the third-party platform",
            "add the IP address that the message names to the platform's allow-list",
        ),
        61023: Errcode(
            FixCredentialsError,
            "refresh token invalid",
            "let the Mini Program's administrator authorise the platform again, and put the new "
            "authorizer_refresh_token into the connection's Extra",
        ),
        **dict.fromkeys(
            (40230, 40231, 40232, 40233),
            Errcode(
                FixCredentialsError,
                "signature headers missing",
                "the account asks for encrypted and signed calls: fill in sym_key, sym_sn, private_key, "
                "certificate and certificate_sn in the connection's Extra",
            ),
        ),
        40234: Errcode(
            FixCredentialsError,
            "signature invalid",
            "see whether private_key in the connection's Extra belongs to the public key in WeChat's console",
        ),
        40235: Errcode(
            FixCredentialsError,
            "encryption invalid",
            "see whether sym_key and sym_sn in the connection's Extra are those of WeChat's console, and "
            "AES256_GCM is chosen there",
        ),
        **dict.fromkeys(
            (40236, 40237),
            Errcode(
                FixCredentialsError,
                "AppID does not fit the signature or the token",
                "see whether the AppID (login) is the one that keys and token in the connection belong to",
            ),
        ),
        **dict.fromkeys(
            (40238, 40239),
            Errcode(
                FixCredentialsError,
                "no key set in WeChat's console",
                "set the symmetric key and the public key in WeChat's console under API security",
            ),
        ),
        40240: Errcode(
            FixRequestError,
            "timestamp expired",
            "set the machine's clock, best by NTP; WeChat allows minutes",
        ),
        -604101: Errcode(
            AskPermissionError,
            "the cloud function may not make this call",
            "declare the call in the function's config.json under permissions.openapi, deploy it again and "
            "give it ten minutes",
        ),
        **dict.fromkeys(
            (-501002, -504003, -604102),
            Errcode(
                TryAgainError,
                "the cloud function ran out of time",
                "WeChat gives a call from outside 5 s: raise the function's own limit, 3 s by default, to "
                "5 s in the console; the task's retries ask again",
            ),
        ),
        -501003: Errcode(
            WaitForQuotaError,
            "the cloud environment's quota is used up",
            "see its quota in WeChat's console; what has landed stays",
        ),
        -501004: Errcode(
            TryAgainError,
            "too many calls of the cloud environment at once",
            "lower max_concurrency; the task's retries ask again",
        ),
        **dict.fromkeys(
            (-501000, -501005, -501007, -501009),
            Errcode(
                FixRequestError,
                "cloud environment or function not found",
                "correct cloud_env and cloud_function_name in the connection's Extra",
            ),
        ),
        **dict.fromkeys(
            (-504001, -504002),
            Errcode(CheckAnswerError, "the cloud function failed", "see its log in WeChat's console"),
        ),
        **dict.fromkeys((-501001, -601001, -601003, -604103), Errcode(TryAgainError, "system error")),
        40002: Errcode(FixRequestError, "grant_type invalid"),
        40097: Errcode(FixRequestError, "arguments invalid"),
        43002: Errcode(FixRequestError, "POST needed"),
        44002: Errcode(FixRequestError, "body empty"),
        47001: Errcode(FixRequestError, "body unreadable"),
        61500: Errcode(FixRequestError, "date format invalid"),
        61501: Errcode(
            FixRequestError,
            "date range invalid",
            "the period must be a whole day, Monday–Sunday week or month that is over in Beijing; see "
            "whether the machine's clock is right",
        ),
        61502: Errcode(
            FixRequestError, "not for mini games", "use the connection of a Mini Program, not of a mini game"
        ),
    }
)
"""Every errcode we know what to do about."""

# On an endpoint that takes the AppSecret there is no token to be stale.
_TOKEN_ENDPOINT_ERRCODES = {40001: Errcode(FixCredentialsError, "AppSecret invalid", _SECRET_ADVICE)}


def error_of(errcode: int, errmsg: str, path: str, *, token_endpoint: bool = False) -> WeChatError:
    """Make the error that an errcode stands for."""
    known = (_TOKEN_ENDPOINT_ERRCODES.get(errcode) if token_endpoint else None) or ERRCODES.get(errcode)
    if known is None:
        return WeChatError(errmsg or "no message", errcode, path)
    return known.error(errmsg or known.meaning, errcode, path, known.advice)
