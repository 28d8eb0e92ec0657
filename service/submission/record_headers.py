"""The headers of records: written as text, and read as untrusted bytes.

Part of `records`. Whatever bytes a header has, it is read to its value or to a fault. The exception are those that
identify a submission: where they cannot be read there is no identity to answer under.
"""

import re
from collections.abc import Iterable
from typing import Final

from service.errors import Fault, UnreadableRecord

Headers = tuple[tuple[str, bytes], ...]

MAX_HEADER_BYTES: Final = 1024
"""Longest header of a submission that is read, the HTTP ones a submission is made from included."""

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def header(headers: Headers, name: str) -> bytes | None:
    """Return the last value of a header, as Kafka's `Headers.lastHeader`, or None."""
    return next((value for key, value in reversed(headers) if key == name), None)


def encoded(pairs: Iterable[tuple[str, str | None]]) -> Headers:
    """Return the headers of these names and values, without those whose value is None."""
    # HTTP servers hand over bytes that are no UTF-8 as surrogate escapes: they travel on as the bytes they were
    return tuple([(name, value.encode("utf-8", "surrogateescape")) for name, value in pairs if value is not None])


def is_json(content_type: str) -> bool:
    """Tell whether a media type, parameters and all, is JSON (RFC 6839: `application/json` or `application/*+json`)."""
    return _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip(" \t")) is not None


def is_traceparent(text: str) -> bool:
    """Tell whether a text is a `traceparent` of W3C Trace Context level 1; an invalid one has to be ignored."""
    return _TRACEPARENT.fullmatch(text) is not None


class HeaderReader:
    """Reads the headers of one submission, noting the faults."""

    def __init__(self, headers: Headers) -> None:
        self.faults: list[Fault] = []
        self._values = dict(headers)
        repeats = len(self._values) < len(headers)
        self._ambiguous = {name for name, value in headers if value != self._values[name]} if repeats else frozenset()

    def identity(self, name: str, limit: int) -> str | None:
        """Return an attribute that identifies the submission; raises UnreadableRecord where nobody could tell which."""
        text, complaint = self._text(name, limit)
        if complaint is not None:
            raise UnreadableRecord(f"header {name} {complaint}")
        return text

    def text(self, name: str) -> str | None:
        """Return the value of a header, or None where it is absent, empty (Kafka's null) or broken."""
        if not self._values.get(name) and name not in self._ambiguous:
            return None
        text, complaint = self._text(name, MAX_HEADER_BYTES)
        if complaint is not None:
            self.fault(name, complaint)
        return text

    def fault(self, name: str, complaint: str) -> None:
        """Note that a header breaks its rule."""
        self.faults.append(Fault(f"headers.{name}", complaint))

    def _text(self, name: str, limit: int) -> tuple[str | None, str | None]:
        value = self._values.get(name)
        if value is None:
            return None, None
        if name in self._ambiguous:
            return None, "must be given once, not with several values"
        if not 0 < len(value) <= limit:
            return None, f"must be of 1 to {limit} bytes, not {len(value)}"
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return None, "must be UTF-8 text"
        if _CONTROL.search(text):
            return None, "must not contain control characters"
        return text, None
