"""Which lines of the log repeat what was said a moment ago.

In an outage every client tries again many times a second; two brokers that were down have made 10,000 lines in 100 s.
One line for a cause and how often it came again since says as much.
"""

import time
from collections.abc import Hashable

REPEAT_SECONDS = 30.0
"""How long the same line is left out."""
MAX_KEYS = 1000
"""Causes remembered at once: beyond it the oldest is forgotten, and its next line written."""


class Repetitions:
    """Counts what is left out, by cause."""

    def __init__(self, seconds: float = REPEAT_SECONDS) -> None:
        self._seconds = seconds
        self._written: dict[Hashable, tuple[float, int]] = {}

    def count(self, key: Hashable) -> int | None:
        """Return how many lines of this cause were left out since the last one, or None where this one is left out."""
        now = time.monotonic()
        at, left_out = self._written.get(key, (float("-inf"), 0))
        if now - at < self._seconds:
            self._written[key] = at, left_out + 1
            return None
        self._written.pop(key, None)  # inserted anew as the newest
        self._written[key] = now, 0
        if len(self._written) > MAX_KEYS:
            del self._written[next(iter(self._written))]
        return left_out
