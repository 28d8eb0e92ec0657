"""JSON bytes to a document, strictly: the first look at a request, before any parameter is known.

JSON and its readers in Python allow what this refuses: names given twice, nesting and values without end, NUL
characters. What gets through can be written back as JSON, always, which is what the fingerprint of a request relies on.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from service.errors import MAX_FAULTS, Fault, InvalidSubmission

MAX_DEPTH: Final = 64
"""Deepest nesting of objects and arrays; a documented request has 4."""

MAX_VALUES: Final = 8192
"""Most values in one document: what takes time with their number is not begun above it.

It belongs to what a fingerprint is made of, so it must not fall: a request that was taken before has to be the same
request after an upgrade.
"""

_LONGEST_NAME = 80  # of a name that is not ours within a path, in characters
_LONGEST_PATH = 300
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)  # an unended one matches to the end: linear

Location = tuple[str | int, ...]


class _Ambiguous(dict[str, Any]):
    """An object with names that occur more than once."""

    repeated: tuple[str, ...] = ()


def field_path(location: Sequence[str | int]) -> str:
    """Write a place within a document as Kubernetes does: `job.pvc[1].size`, `job.volume[/raid/data]`."""
    path = ""
    for part in location:
        if isinstance(part, str) and _PLAIN_NAME.fullmatch(part) and len(part) <= _LONGEST_NAME:
            path += f".{part}" if path else part
        else:
            path += f"[{_clipped(str(part), _LONGEST_NAME)}]"
    return _clipped(path, _LONGEST_PATH)


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."


def read_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object that `body` holds.

    Raises InvalidSubmission, and nothing else, for any other bytes: no UTF-8, no JSON (RFC 8259), no object, names
    given twice, more than `MAX_VALUES` values or `MAX_DEPTH` levels, NUL characters (which no field of Kubernetes can
    carry to a process).
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(f"The body must be UTF-8: byte {error.start + 1} is none") from error
    if not text.strip():
        raise _refused("The body is empty")
    if _separators(text) > MAX_VALUES and _separators(_without_strings(text)) > MAX_VALUES:
        raise _refused(f"The body must hold at most {MAX_VALUES} values")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _refused(f"The body cannot be read as JSON: {error.msg}, at {place}") from error
    if not isinstance(document, dict):
        raise _refused('The body must be a JSON object such as {"job": {"project": "team-a", "image": "python"}}')
    if text.count("[") + text.count("{") > MAX_DEPTH and _too_deep(document):
        raise _refused(f"The body must nest its objects and arrays at most {MAX_DEPTH} levels deep")
    # no more than are shown are looked for: some thousand with long paths would be an answer of megabytes
    faults = list(itertools.islice(_ambiguities(text, document), MAX_FAULTS + 1))
    if len(faults) > MAX_FAULTS:
        faults[MAX_FAULTS] = Fault("", f"The body has more faults than these {MAX_FAULTS}")
    if faults:
        raise InvalidSubmission(tuple(faults))
    return document


def _refused(message: str) -> InvalidSubmission:
    return InvalidSubmission((Fault("", message),))


def _too_deep(document: dict[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        members = (value.values() if isinstance(value, dict) else value for value in level)
        level = [inner for outer in members for inner in outer if isinstance(inner, dict | list)]
    return bool(level)


def _separators(text: str) -> int:
    """Count what begins or separates values: as many as there are values, or a few more."""
    return text.count(",") + text.count("[") + text.count("{")


def _without_strings(text: str) -> str:
    return _STRING.sub("", text)


def _repeats_names(text: str, document: dict[str, Any]) -> bool:
    """Tell whether an object has a name twice: orjson keeps the last, so that a colon is missing when written back."""
    written = orjson.dumps(document)
    if "\\u" not in text and text.count(":") == written.count(b":"):
        return False  # no colon is escaped: those within strings are as many in both texts
    return _without_strings(text).count(":") != _without_strings(written.decode()).count(":")


def _ambiguities(text: str, document: dict[str, Any]) -> Iterator[Fault]:
    if _repeats_names(text, document):
        yield from _repeated_names(text)
    if "\\u0000" in text:
        yield from _nul_characters(document)


def _repeated_names(text: str) -> Iterator[Fault]:
    """Read again, with the standard library, which hands over equal names."""
    found: list[_Ambiguous] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        unique = dict(pairs)
        if len(unique) == len(pairs) or len(found) > MAX_FAULTS:
            return unique
        ambiguous = _Ambiguous(unique)
        names = Counter(name for name, _ in pairs)
        ambiguous.repeated = tuple(itertools.islice((n for n, times in names.items() if times > 1), MAX_FAULTS + 1))
        found.append(ambiguous)
        return ambiguous

    # integers as floats: int() refuses thousands of digits, and the values do not matter here
    document = json.JSONDecoder(object_pairs_hook=members, parse_int=float).decode(text)
    for location, value in _values(document):
        if isinstance(value, _Ambiguous):
            for name in value.repeated:
                yield Fault(field_path((*location, name)), "is given more than once; give it once")


def _nul_characters(document: dict[str, Any]) -> Iterator[Fault]:
    for location, value in _values(document):
        if "\0" in (value if isinstance(value, str) else "") + str(location[-1] if location else ""):
            yield Fault(field_path(location), "must have no NUL character (\\u0000)")


def _values(document: dict[str, Any]) -> Iterator[tuple[list[str | int], Any]]:
    """Yield every value of a document and its place, in the order of the text; the place is one list that changes."""
    yield [], document
    place: list[str | int] = [""]
    left: list[Iterator[tuple[str | int, Any]]] = [iter(document.items())]
    while left:
        for place[-1], value in left[-1]:
            yield place, value
            if isinstance(value, dict | list):
                left.append(iter(value.items()) if isinstance(value, dict) else enumerate(value))
                place.append("")
                break
        else:
            left.pop()
            place.pop()
