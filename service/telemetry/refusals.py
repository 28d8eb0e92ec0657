"""The audit trail of refused requests: one line each, up to so many a second for each reason."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.telemetry.logs import log

MAX_TEXT: Final = 200
"""Longest text of a client's that goes into a line."""


@dataclass(slots=True)
class _Window:
    """The lines of one reason in the present second."""

    began: float = float("-inf")
    written: int = 0
    suppressed: int = 0


class RefusalLog:
    """Writes `request-refused` lines; `reason` has to be of a closed set."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def write(self, reason: str, **fields: str | int | None) -> None:
        """Log a refusal, unless there were too many of its reason within this second.

        The first line of a later second says in `suppressed` how many were left out before it.
        """
        window = self._windows.setdefault(reason, _Window())
        now = self._clock()
        if now - window.began >= 1:
            window.began, window.written = now, 0
        if window.written >= self._per_second:
            window.suppressed += 1
            return
        window.written += 1
        kept = {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in fields.items()}
        log.warning("request-refused", reason=reason, **kept, suppressed=window.suppressed or None)
        window.suppressed = 0
