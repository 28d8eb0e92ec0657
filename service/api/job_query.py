"""What the query of a URL asks of the jobs: filters, the size of a page and where it begins."""

import base64
import binascii
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.spec.query import Query, QueryParameters, reading_number
from service.submission.job_events import Phase
from service.views.job_index import JobFilter, Position

MOST: Final = 1000
"""Jobs of a page, also where `limit` is not given: clients of the old API know of no pages."""

FILTERS: Final = ("project", "user", "status", "phase", "type", "reason", "name")
"""What both a listing and a stream of events take; each but `name` may be given several times."""

PAGED: Final = (*FILTERS, "since", "until", "deleted", "limit", "cursor")

_TYPES: Final = {"train": "Train", "training": "Train", "interactive": "Interactive", "inference": "Inference"}
_PHASES: Final = {phase.value.lower(): phase.value for phase in Phase}
_DELETED: Final[Mapping[str, bool | None]] = {"false": False, "true": True, "any": None}


@dataclass(frozen=True, slots=True)
class Page:
    """A listing that is asked for: its filter, the most jobs of a page, and after which position it goes on."""

    wanted: JobFilter
    limit: int
    after: Position | None


def _filter(asked: QueryParameters, **more: Any) -> JobFilter:
    """Return the filter of the parameters that every question about jobs takes."""
    statuses = asked.each("status")
    return JobFilter(
        projects=asked.each("project"),
        users=asked.each("user"),
        statuses=statuses and frozenset(map(str.lower, statuses)),
        phases=asked.each("phase", _PHASES),
        types=asked.each("type", _TYPES),
        reasons=asked.each("reason"),
        name=asked.one("name", str),
        **more,
    )


def read_page(query: Query) -> Page:
    """Return the page of a listing that is asked for. Raises InvalidSubmission."""
    asked = QueryParameters(query, PAGED)
    deleted = asked.one("deleted", _read_deleted)
    wanted = _filter(
        asked,
        since=asked.one("since", _read_time),
        until=asked.one("until", _read_time),
        deleted=_DELETED[deleted or "false"],
    )
    page = Page(wanted, asked.one("limit", reading_number(1, MOST)) or MOST, asked.one("cursor", read_cursor))
    asked.check()
    return page


def read_stream(query: Query, read_position: Callable[[str], Any]) -> tuple[JobFilter, Any]:
    """Return the filter of a stream of events, and after which position it begins. Raises InvalidSubmission."""
    asked = QueryParameters(query, (*FILTERS, "after"))
    wanted, after = _filter(asked), asked.one("after", read_position)
    asked.check()
    return wanted, after


def read_old(query: Query, known: Collection[str]) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """Return projects and types that a client of the old API asks for. Raises InvalidSubmission."""
    asked = QueryParameters(query, known)
    found = asked.each("project"), asked.each("jobTypeFilter", _TYPES)
    asked.check()
    return found


def write_cursor(position: Position) -> str:
    """Return a position as a word that fits into a URL."""
    return base64.urlsafe_b64encode(f"{position[0]}.{position[1]}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> Position:
    """Return the position that a cursor names; raises ValueError for anything that is none."""
    try:
        created_at, point, key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(".")
        if not (point and created_at.isascii() and created_at.isdecimal() and len(created_at) < 20):
            raise ValueError
    except (binascii.Error, ValueError):
        raise ValueError("is not a cursor of this service: take it from `next` of the page before") from None
    return int(created_at), key


def _read_time(text: str) -> int:
    """Return milliseconds since the epoch, from such a number or from a time with its zone (RFC 3339)."""
    if text.isascii() and text.isdecimal() and len(text) < 20:
        return int(text)
    try:
        # a plus sign in a query is a blank
        time = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError("must be milliseconds since the epoch, or a time such as 2026-11-26T12:00:00Z")
    return int(time.timestamp() * 1000)


def _read_deleted(text: str) -> str:
    if text.lower() not in _DELETED:
        raise ValueError(f"must be one of {', '.join(_DELETED)}")
    return text.lower()
