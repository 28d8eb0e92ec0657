"""The parameters of a URL's query, read one by one; their faults are gathered, so that all are told at once.

A parameter that is not known is refused, as in a submission: whoever misspells a filter must not get all jobs.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from service.errors import Fault, InvalidSubmission

Query = Iterable[tuple[str, str]]
"""Names and values in the order of the URL, as `request.query.items()` has them."""

_LONGEST_NAME: Final = 100
"""Characters of an unknown name that are repeated in the answer."""

_SWITCHES: Final = {"true": True, "1": True, "": True, "false": False, "0": False}


class QueryParameters:
    """The parameters of `query`, of which those in `known` there are."""

    def __init__(self, query: Query, known: Collection[str]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in query:
            self._values.setdefault(name, []).append(value)
        unknown = (name for name in self._values if name not in known)
        self.faults = [Fault(name[:_LONGEST_NAME], _unknown(name, known)) for name in unknown]

    def each(self, name: str, known: Mapping[str, str] | None = None) -> frozenset[str] | None:
        """Return all values, None without any; those that are `known` by their lower case as they are spelt."""
        values = self._values.get(name, [])
        if known is None:
            return frozenset(values) or None
        for value in values:
            if value.lower() not in known:
                self.faults.append(Fault(name, f"must be one of {', '.join(dict.fromkeys(known.values()))}"))
        return frozenset(known.get(value.lower(), value) for value in values) or None

    def one(self, name: str, read: Callable[[str], Any]) -> Any:
        """Return the only value as `read` makes it, which raises ValueError for a faulty one; None without one."""
        values = self._values.get(name, [])
        if not values:
            return None
        if len(values) > 1:
            self.faults.append(Fault(name, "must be given once"))
            return None
        try:
            return read(values[0])
        except ValueError as error:
            self.faults.append(Fault(name, str(error)))
            return None

    def check(self) -> None:
        """Raise InvalidSubmission where there are faults."""
        if self.faults:
            raise InvalidSubmission(tuple(self.faults))


def read_switch(text: str) -> bool:
    """Return what a switch says, which is on where it has no value; raises ValueError."""
    if (switch := _SWITCHES.get(text.lower())) is None:
        raise ValueError("must be true or false")
    return switch


def reading_number(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number within bounds, and raises ValueError for any other."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else least - 1
        if not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return read


def _unknown(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name[:40], known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"is not a parameter; {hint}"
