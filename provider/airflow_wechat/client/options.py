"""The options of a connection: what its Extra may hold, and which of it belongs together. Pure, and light.

Form, documentation and checks follow from these rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from airflow_wechat.client.secret import is_sendable


@dataclass(frozen=True)
class Option:
    """A field of the connection's Extra.

    :param label: what the form calls it
    :param help: what the form says about it
    :param choices: what it may be; the first is what it is where nothing is given
    :param default: what it is where nothing is given, and there are no choices
    :param secret: nobody may read it
    :param lines: it is a text of several lines
    :param number: it is a number above 0
    """

    name: str
    label: str
    help: str
    choices: tuple[str, ...] = ()
    default: str = ""
    secret: bool = False
    lines: bool = False
    number: bool = False


def _of(*options: Option) -> Mapping[str, Option]:
    return MappingProxyType({option.name: option for option in options})


OPTIONS = _of(
    Option(
        "token_source",
        "Token source",
        "Where access tokens come from. stable: WeChat's stable_token. classic: /cgi-bin/token, which ends "
        "the tokens of other services. supplied: the field below, or a token server. authorizer: a "
        "third-party platform. none: inside WeChat Cloud Run.",
        choices=("stable", "classic", "supplied", "authorizer", "none"),
    ),
    Option("access_token", "Access token", "For token source supplied: the token itself.", secret=True),
    Option(
        "token_url",
        "Token server URL",
        "For token sources supplied and authorizer: where to GET the (platform's) token. https only.",
        secret=True,
    ),
    Option(
        "token_path",
        "Path to the token",
        "Where in the token server's JSON the token is, as data.access_token. Default access_token.",
        default="access_token",
    ),
    Option(
        "expires_path",
        "Path to its expiry",
        "Where in the JSON its end is: seconds to live, Unix time or ISO time. Default expires_in.",
        default="expires_in",
    ),
    Option("component_appid", "Platform AppID", "For token source authorizer: the third-party platform."),
    Option(
        "component_access_token",
        "Platform access token",
        "For token source authorizer: component_access_token, unless a token server gives it.",
        secret=True,
    ),
    Option(
        "authorizer_refresh_token",
        "Refresh token",
        "For token source authorizer: authorizer_refresh_token of the Mini Program.",
        secret=True,
    ),
    Option(
        "route",
        "Route",
        "https: WeChat's HTTPS API. cloud_function: through a cloud function that you have deployed.",
        choices=("https", "cloud_function"),
    ),
    Option("cloud_env", "Cloud environment", "For route cloud_function: the environment's id."),
    Option(
        "cloud_function_name",
        "Cloud function",
        "For route cloud_function: the function's name. Default wechatReports.",
        default="wechatReports",
    ),
    Option(
        "sym_key",
        "Symmetric key",
        "For encrypted calls, all five or none: base64 of 32 bytes, AES256_GCM.",
        secret=True,
    ),
    Option("sym_sn", "Symmetric key number", "Its serial number in WeChat's console."),
    Option("private_key", "Private key", "The app's RSA key, PEM.", secret=True, lines=True),
    Option("certificate", "Platform certificate", "WeChat's certificate, PEM.", lines=True),
    Option("certificate_sn", "Certificate number", "Its number in WeChat's console."),
    Option("proxy", "Proxy", "URL of a proxy for https. Default: the environment's.", secret=True),
    Option("ca_bundle", "CA bundle", "File of certificates to trust instead of the usual ones."),
    Option(
        "timeout",
        "Timeout (seconds)",
        "How long a request may take, from connecting to the last byte of its answer; default 30.",
        default="30",
        number=True,
    ),
)
"""Every option by its name, in the order of the form."""

_A_DAY = 86_400

SEALING = ("sym_key", "sym_sn", "private_key", "certificate", "certificate_sn")
"""The options of encrypted and signed calls."""


@dataclass(frozen=True)
class _Choice:
    """What a choice needs.

    :param needs: options that must be given
    :param one_of: of these exactly one must be given
    :param takes: further options that may be given
    """

    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        return frozenset((*self.needs, *self.one_of, *self.takes))


_CHOICES: Mapping[str, Mapping[str, _Choice]] = MappingProxyType(
    {
        "token_source": {
            "stable": _Choice(),
            "classic": _Choice(),
            "supplied": _Choice(
                one_of=("access_token", "token_url"),
                takes=("token_path", "expires_path"),
            ),
            "authorizer": _Choice(
                needs=("component_appid", "authorizer_refresh_token"),
                one_of=("component_access_token", "token_url"),
                takes=("token_path", "expires_path"),
            ),
            "none": _Choice(),
        },
        "route": {
            "https": _Choice(takes=SEALING),
            "cloud_function": _Choice(needs=("cloud_env",), takes=("cloud_function_name",)),
        },
    }
)

_TOGETHER: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((name, ("token_url",)) for name in ("token_path", "expires_path")),
    *((name, SEALING) for name in SEALING),
)
"""An option, and the ones without which it means nothing."""


@dataclass(frozen=True)
class Options:
    """The options of a connection, checked; those that are not given have their defaults."""

    given: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, extra: object) -> Options:
        """Read a connection's Extra.

        Names that are nobody's are passed over, unless they look like one of ours written wrong.

        :param extra: the JSON object; values that are null or blank are not given
        :raises ValueError: for what is not allowed or does not fit together, by the field's name and without
            its value where that is secret
        """
        if not isinstance(extra, Mapping):
            raise ValueError(f"the connection's Extra is {type(extra).__name__}, expected a JSON object")
        for problem in _problems(extra):
            raise ValueError(f"{problem} (in the connection's Extra)")
        return cls({name: text for name in OPTIONS if (text := _text(extra.get(name)))})

    def __getitem__(self, name: str) -> str:
        option = OPTIONS[name]
        return self.given.get(name) or (option.choices[0] if option.choices else option.default)

    def __contains__(self, name: str) -> bool:
        return name in self.given


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _problems(extra: Mapping[str, Any]) -> Iterator[str]:
    yield from _misspelt(extra)
    for option in OPTIONS.values():
        yield from _wrong(option, extra.get(option.name))
    given = {name for name in OPTIONS if _text(extra.get(name))}
    for chooser, choices in _CHOICES.items():
        chosen = _text(extra.get(chooser)) or OPTIONS[chooser].choices[0]
        yield from _unfit(f"{chooser}={chosen}", choices[chosen], given)
        yield from _foreign(chooser, chosen, choices, given)
    for name, needed in _TOGETHER:
        if name in given and (missing := [other for other in needed if other not in given]):
            yield f"{name} needs {' and '.join(missing)} as well: fill in or remove {name}"


def _misspelt(extra: Mapping[str, Any]) -> Iterator[str]:
    for name in extra:
        plain = str(name).lower().removeprefix("extra__wechat__")
        if name not in OPTIONS and (meant := get_close_matches(plain, OPTIONS, n=1, cutoff=0.85)):
            yield f"{name!r:.60} is no option: write {meant[0]}"


def _wrong(option: Option, value: Any) -> Iterator[str]:
    if value is None:
        return
    if option.number:
        yield from _wrong_number(option, value)
    elif not isinstance(value, str):
        yield f"{option.name} is {type(value).__name__}, expected a text"
    elif value and not is_sendable(value):
        yield f"{option.name} holds half a character: write it again"
    elif option.choices and value.strip() and value.strip() not in option.choices:
        yield f"{option.name}={value!r:.60} is not allowed: give {', '.join(option.choices)}"


def _wrong_number(option: Option, value: Any) -> Iterator[str]:
    if isinstance(value, str) and not value.strip():
        return
    try:
        number = float(_text(value))
    except ValueError:
        number = 0.0
    if not 0 < number <= _A_DAY:
        yield f"{option.name}={value!r:.60} is not allowed: give a number above 0, at most {_A_DAY}"


def _unfit(chosen: str, choice: _Choice, given: set[str]) -> Iterator[str]:
    for name in choice.needs:
        if name not in given:
            yield f"{chosen} needs {name}: fill it in"
    found = [name for name in choice.one_of if name in given]
    if choice.one_of and not found:
        yield f"{chosen} needs {' or '.join(choice.one_of)}: fill one of them in"
    if len(found) > 1:
        yield f"{chosen} takes only one of {' and '.join(found)}: remove the other"


def _foreign(chooser: str, chosen: str, choices: Mapping[str, _Choice], given: set[str]) -> Iterator[str]:
    """Tell of options that belong to other choices: the connection means two things at once."""
    for name in sorted(given - choices[chosen].all):
        if owners := [other for other, choice in choices.items() if name in choice.all]:
            theirs = f"{chooser}={' or '.join(owners)}"
            yield f"{name} is for {theirs}, not {chosen}: change {chooser}, or remove {name}"
