"""Which jobs and events are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict


class EventFilters(TypedDict, total=False):
    """Only jobs with one of these values; `name`: only names with this in them."""

    project: str | Sequence[str]
    user: str | Sequence[str]
    status: str | Sequence[str]
    phase: str | Sequence[str]
    type: str | Sequence[str]
    reason: str | Sequence[str]
    name: str


class JobFilters(EventFilters, total=False):
    """Besides: created from and before a time, given as such or in milliseconds; `deleted`: true, false or any."""

    since: datetime | int | str
    until: datetime | int | str
    deleted: bool | str


def query(filters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the names and values of a URL's query; None is left out. Raises ValueError for a time without its zone."""
    return [(name, _text(each)) for name, value in filters.items() for each in _each(value) if each is not None]


def _each(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple | set | frozenset) else [value]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs its zone: datetime.now(UTC)")
        return str(int(value.timestamp() * 1000))
    return str(value).lower() if isinstance(value, bool) else str(value)
