"""The rule of each kind of parameter: a JSON value in, what the model holds out.

Called by the fields of `validation`'s models. JSON types are strict: `"1"` is no number and `true` is none either.
Every `ValueError` carries one sentence for the client, to be read after the path of the parameter.
"""

import re
import shlex
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails

from service.spec.quantities import INT32_MAX, check_cores, parse_duration
from service.spec.strict_json import Location

MAX_COMMAND: Final = 16 * 1024
"""Longest `command` in one string, in characters: splitting takes time with the square of it."""

_T = TypeVar("_T")

_DNS_1035_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_DNS_1123_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_DNS_1123_SUBDOMAIN = re.compile(rf"{_DNS_1123_LABEL.pattern}(?:\.{_DNS_1123_LABEL.pattern})*")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_QUOTING = re.compile(r"['\"\\]")
_WORD = re.compile(r"[^ \t\r\n]+")
_ENVIRONMENT_NAME = re.compile(r"(?!\.\.|\.\Z)[-._a-zA-Z][-._a-zA-Z0-9]*")


class Parameters(BaseModel):
    """A JSON object with parameters: no others, none changed afterwards, named as JSON names them."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


def string(value: object) -> str:
    """Return a JSON string."""
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def number(value: object) -> int | float:
    """Return a JSON number, which `true` is not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return value


def cores(value: object) -> int | float:
    """Return a number of CPU cores that Kubernetes can give."""
    check_cores(number(value))
    return number(value)


def whole_number(least: int, most: int = INT32_MAX) -> Callable[[object], int]:
    """Return the rule of an integer from `least` to `most`; `1.0` is none."""

    def rule(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return rule


def text(read: Callable[[str], _T]) -> Callable[[object], _T]:
    """Return the rule of a string that `read` makes sense of."""

    def rule(value: object) -> _T:
        return read(string(value))

    return rule


def _pattern(pattern: re.Pattern[str], longest: int, rule: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        name = string(value)
        if len(name) > longest or not pattern.fullmatch(name):
            raise ValueError(f"must be 1 to {longest} {rule}")
        return name

    return check


job_name: Final = _pattern(
    _DNS_1035_LABEL,
    63,
    "lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit",
)
"""A Job's name: DNS-1035, because a Service may bear it, and 63 characters, because it is a label of the pods."""

job_name_prefix: Final = _pattern(
    _DNS_1035_LABEL,
    50,
    "lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit",
)
"""The start of a generated name, to which `-` and 12 characters are added."""

project_name: Final = _pattern(
    _DNS_1123_LABEL, 63, "lower-case letters, digits and '-', beginning and ending with a letter or digit"
)
"""A project's name, which is part of a namespace (DNS-1123 label) and a label's value."""

storage_class: Final = _pattern(
    _DNS_1123_SUBDOMAIN, 253, "lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
)
"""The name of a StorageClass (DNS-1123 subdomain)."""

label_value: Final = _pattern(
    _LABEL_VALUE, 63, "letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
)
"""The value of a label (Kubernetes, "Labels and Selectors"), not empty."""


def environment_name(value: object) -> str:
    """Return the name of an environment variable.

    The rule of all supported Kubernetes releases; 1.34 and later allow more (`RelaxedEnvironmentVariableValidation`).
    """
    name = string(value)
    if not _ENVIRONMENT_NAME.fullmatch(name):
        raise ValueError(
            "must have a name of letters, digits, '_', '-' and '.', not beginning with a digit or '..' and not just '.'"
        )
    return name


def environment_value(value: object) -> str:
    """Return the text of an environment variable: a string as it is, a number or boolean as JSON writes it."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bool | int | float):
        raise ValueError("must be a string, a number or a boolean")
    if isinstance(value, float) and abs(value) >= 2**53:
        raise ValueError("must be a string: a number this large loses digits")
    return orjson.dumps(value).decode()


def image(value: object) -> str:
    """Return the reference of a container image; whether it exists is for the node to find out."""
    reference = string(value)
    if not reference or " " in reference or not reference.isprintable():
        raise ValueError("must name an image such as python:3.12, without blanks")
    return reference


def command(value: object) -> tuple[str, ...]:
    """Return the words of a command: a string split as a POSIX shell splits it, or an array of them."""
    if isinstance(value, str):
        words = _split(value)
    elif isinstance(value, list) and all(isinstance(word, str) for word in value):
        words = value
    else:
        raise ValueError("must be a string or an array of strings")
    if not words or not words[0]:
        raise ValueError("must name a program; leave it out to run the image's own")
    return tuple(words)


def _split(line: str) -> list[str]:
    if len(line) > MAX_COMMAND:
        raise ValueError(f"must have at most {MAX_COMMAND} characters; give a longer command as an array of strings")
    if not _QUOTING.search(line):
        return _WORD.findall(line)  # the same words, without shlex's walk over every character
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ValueError("must close its quotes and escape a character after each backslash") from error


def one_of(*words: str) -> Callable[[object], Any]:
    """Return the rule of a word from a closed set, in any letter case; it comes out as it is spelled here."""
    spelling: Mapping[str, str] = {word.lower(): word for word in words}

    def rule(value: object) -> str:
        word = spelling.get(string(value).lower())
        if word is None:
            raise ValueError(f"must be one of {', '.join(words)}")
        return word

    return rule


def seconds(value: object) -> int:
    """Return the seconds of a Go duration, rounded up, or of a whole number."""
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= INT32_MAX:
        raise ValueError(f"must be a duration such as 5s, 2m, 3h or 1h30m, or whole seconds from 0 to {INT32_MAX}")
    return value


def repeated(places: Iterable[tuple[Location, Hashable]], sentence: str) -> list[tuple[Location, str]]:
    """Return a fault, `sentence`, for each place whose value an earlier place has already."""
    seen: set[Hashable] = set()
    faults = []
    for location, value in places:
        if value in seen:
            faults.append((location, sentence))
        seen.add(value)
    return faults


def raise_faults(faults: list[tuple[Location, str]]) -> None:
    """Raise faults at places within the parameter at hand, if there are any."""
    if faults:
        lines = [
            InitErrorDetails(type="value_error", loc=location, input=None, ctx={"error": ValueError(sentence)})
            for location, sentence in faults
        ]
        raise ValidationError.from_exception_data("job", lines)
