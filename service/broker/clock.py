"""The brokers' clock, as the acknowledgements of this process's writes tell it.

Nothing that matters may depend on one process's own clock, which may be wrong by days. Topics with
`message.timestamp.type=LogAppendTime` are stamped by the brokers, and so are the acknowledgements of what is written.
"""

import time
from collections.abc import Callable
from typing import Final

from service.telemetry.logs import log
from service.telemetry.metrics import Metrics

FRESH_SECONDS: Final = 60.0
"""How long a reading counts: it is carried on by the monotonic clock, which stands still while a machine sleeps."""
SKEW_SECONDS: Final = 120.0
"""Difference between two clocks from which it is told; an acknowledgement that takes long looks like a part of it."""


class BrokerClock:
    """The time of the broker that has answered last.

    `wall` and `monotonic` are this process's clocks, in seconds.
    """

    def __init__(
        self,
        metrics: Metrics,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._skew = metrics.clock_skew
        self._wall = wall
        self._monotonic = monotonic
        self._reading: tuple[float, float] | None = None
        self._is_skewed = False

    def note(self, timestamp_ms: int) -> None:
        """Take the timestamp that a broker has just given to a record, in milliseconds since the epoch."""
        self._reading = timestamp_ms, self._monotonic()
        skew = self._wall() - timestamp_ms / 1000
        self._skew.set(skew)
        is_skewed = abs(skew) > SKEW_SECONDS
        if is_skewed != self._is_skewed:
            self._is_skewed = is_skewed
            tell_log = log.error if is_skewed else log.warning
            tell_log("clock-skewed" if is_skewed else "clock-right", seconds_ahead_of_broker=round(skew, 1))

    def now_ms(self) -> float | None:
        """Return the broker's time in milliseconds since the epoch; None where it was not read of late."""
        if self._reading is None:
            return None
        timestamp_ms, read_at = self._reading
        elapsed = self._monotonic() - read_at
        return timestamp_ms + elapsed * 1000 if elapsed <= FRESH_SECONDS else None
