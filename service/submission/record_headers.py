"""The headers of records: written as text, and read as untrusted bytes.

Part of `records`. Names are matched as people write them: `ce_id`, `ce-id` and `CE_ID` are one header. Whatever bytes a
header has, it is read to its value or to a fault. The exception are those that identify a submission: where they cannot
be read there is no identity to answer under.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from service.errors import Fault, UnreadableRecord

Headers = tuple[tuple[str, bytes], ...]

MAX_HEADER_BYTES: Final = 1024
"""Longest header of a submission that is read, the HTTP ones a submission is made from included."""

MAX_HEADERS: Final = 256
"""Most headers of a record that are read: a megabyte has room for 100,000, which take a tenth of a second."""

READ: Final = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "content-type",
    "dry-run",
    "idempotency-key",
    "ra-user",
    "correlation-id",
    "reply-topic",
    "reply-partition",
    "traceparent",
    "signature",
)
"""Headers of a submission that mean something here."""
_UNREAD: Final = ("ce_time", "ce_subject", "ce_dataschema")  # CloudEvents' own, which change nothing
_MAX_NAME: Final = 64  # characters of a name that is compared with these
_MAX_STRANGE: Final = 16  # names of a record that are looked at for a likeness
_ALIKE: Final = 0.85  # likeness of difflib from which a name is taken for a slip

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_CONTROL: Final = "must not contain control characters"
_PREFIX = re.compile(r"^(?:x|http|kafka)[-_.]+")  # of names that frameworks make of others: X-RA-USER, kafka_replyTopic


def _folded(name: str) -> str:
    return name.replace("_", "-").lower()


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _PREFIX.sub("", name.lower()))


_NAMES: Final = {_folded(name): name for name in (*READ, *_UNREAD)} | {
    "dryrun": "dry-run",  # as the URL spells it: what was meant to make nothing must not be carried out
}
_BY_LETTERS: Final = {_letters(name): name for name in READ}


def header(headers: Headers, name: str) -> bytes | None:
    """Return the last value of a header of exactly this name, as Kafka's `Headers.lastHeader`, or None."""
    return next((value for key, value in reversed(headers) if key == name), None)


def header_name(name: str) -> str | None:
    """Return which header of a submission `name` is a spelling of; None where it is another one."""
    return _header_name(name) if len(name) <= _MAX_NAME else None


@lru_cache(256)
def _header_name(name: str) -> str | None:
    return _NAMES.get(_folded(name)) if name.isascii() else None


@lru_cache(256)
def _meant(name: str) -> str | None:
    """Return which header somebody may have meant who wrote `name`."""
    alike = get_close_matches(_letters(name), _BY_LETTERS, n=1, cutoff=_ALIKE)
    return _BY_LETTERS[alike[0]] if alike else None


def encoded(pairs: Iterable[tuple[str, str | None]]) -> Headers:
    """Return the headers of these names and values, without those whose value is None."""
    # HTTP servers hand over bytes that are no UTF-8 as surrogate escapes: they travel on as the bytes they were
    return tuple([(name, value.encode("utf-8", "surrogateescape")) for name, value in pairs if value is not None])


@lru_cache(64)
def is_json(content_type: str) -> bool:
    """Tell whether a media type, parameters and all, is JSON (RFC 6839: `application/json` or `application/*+json`)."""
    return _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip(" \t")) is not None


def is_traceparent(text: str) -> bool:
    """Tell whether a text is a `traceparent` of W3C Trace Context level 1; an invalid one has to be ignored."""
    return _TRACEPARENT.fullmatch(text) is not None


def complaint_about(text: str, limit: int) -> str | None:
    """Return what is wrong with the text of a header, at most `limit` bytes long as UTF-8; None where nothing is."""
    length = len(text.encode("utf-8", "surrogatepass"))
    return _too_long(length, limit) or (_NO_CONTROL if _CONTROL.search(text) else None)


def _too_long(length: int, limit: int) -> str | None:
    return None if 0 < length <= limit else f"must be of 1 to {limit} bytes, not {length}"


class HeaderReader:
    """Reads the headers of one submission, noting the faults."""

    def __init__(self, headers: Headers) -> None:
        self.faults: list[Fault] = []
        self._values: dict[str, bytes] = {}
        self._ambiguous: set[str] = set()
        self._strange: list[str] = []
        for written, value in headers[:MAX_HEADERS]:
            name = header_name(written)
            if name is None:
                self._strange.append(written)
            elif self._values.setdefault(name, value) != value:
                self._ambiguous.add(name)

    def warnings(self) -> tuple[str, ...]:
        """Return a sentence about each header that looks like one of ours and is not."""
        found = []
        for name in self._strange[:_MAX_STRANGE]:
            plain = name.isascii() and name.isprintable() and len(name) <= _MAX_NAME
            meant = _meant(name) if plain else None
            if meant is not None:
                found.append(f"headers.{name}: is not read; did you mean {meant}?")
        return tuple(found)

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

    def optional(self, name: str) -> str | None:
        """Return the value of a header that is ignored where it is broken."""
        text, _ = self._text(name, MAX_HEADER_BYTES)
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
            return None, _too_long(len(value), limit)
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return None, "must be UTF-8 text"
        if not text.isprintable() and _CONTROL.search(text):  # in this order, as nearly all texts are printable
            return None, _NO_CONTROL
        return text, None
