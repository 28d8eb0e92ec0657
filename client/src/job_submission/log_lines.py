"""Cuts a log into lines, and goes on with one that was begun again. Pure."""

import re
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, Final

_STAMPED: Final = re.compile(r"(\[[^\]]+\] )?(\d{4}-\d\d-\d\dT\S{10,25}) ?")
"""How a line begins: its pod where there are several, and its time (RFC 3339, of a fixed width)."""


class LineSplitter:
    """Turns pieces of a log into its lines, which end at a newline alone: a progress bar's carriage returns stay."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that a piece completes, without their newlines; what is no UTF-8 becomes U+FFFD."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")

    def end(self) -> Iterator[str]:
        """Yield the last line, if it has no newline."""
        if self._rest:
            yield self._rest.decode(errors="replace")
            self._rest = b""


class FollowedLog:
    """The lines of a log that is followed, over any number of connections: none is left out and none comes twice.

    The service is asked for the time of each line. A connection that goes on begins at the beginning again, and of each
    pod the lines are left out up to the last that was given. A pod that was alone is not named; it is, once a retry has
    made a second one.

    Args:
        options: what is asked for, by the names of the URL's query.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._last: dict[str, tuple[str, int]] = {}
        self._known: dict[str, tuple[str, int]] = {}
        self._lines = LineSplitter()

    def begin(self, seconds: float) -> dict[str, Any]:
        """Return the query of the next connection, `seconds` after the first one."""
        self._lines = LineSplitter()
        self._known = dict(self._last)
        asked = {**self._options, "timestamps": True}
        if seconds and asked.get("sinceSeconds") is not None:
            asked["sinceSeconds"] += ceil(seconds)
        if seconds and asked.get("tailLines") == 0:  # what is new alone
            asked |= {"tailLines": None, "sinceSeconds": max(1, ceil(seconds))}
        return asked | ({"tailLines": None} if self._last else {})

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the new lines that a piece completes, without their newlines."""
        return self._new(self._lines.feed(piece))

    def end(self) -> Iterator[str]:
        """Yield the last line, if it has no newline."""
        return self._new(self._lines.end())

    def _new(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            found = _STAMPED.match(line)
            if found is None:
                yield line
            elif self._is_new(found[1] or "", found[2]):
                yield line if self._options.get("timestamps") else (found[1] or "") + line[found.end() :]

    def _is_new(self, pod: str, stamp: str) -> bool:
        """Note a line's time; tell whether it comes after those that were given before the connection began."""
        last, number = self._last.get(pod, ("", 0))
        known, times = self._known.get(pod) or self._known.get("", ("", 0))
        if stamp < known:
            return False
        if stamp == known and times:  # several lines may have one time
            self._known[pod] = (known, times - 1)
            self._last.setdefault(pod, self._last.get("", ("", 0)))
            return False
        self._last[pod] = (stamp, number + 1 if stamp == last else 1)
        return True
