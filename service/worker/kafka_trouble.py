"""Tells when submissions begin to wait for Kafka, and when the last of them has been answered for a while.

A broker that is cut off from its peers answers some partitions and not others, so that tries fail and succeed side by
side: a line for each change would flap many times a second.
"""

import asyncio
from typing import Final

from service.telemetry.logs import log

QUIET_SECONDS: Final = 5.0
"""How long nobody has to wait before it counts as over."""


class KafkaTrouble:
    """The submissions that wait for Kafka: `begin` is for one whose try has failed, `end` for when it waits no more."""

    def __init__(self, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._quiet_seconds = quiet_seconds
        self._waiting = 0
        self._over: asyncio.TimerHandle | None = None
        self._is_told = False

    def begin(self, reason: str) -> None:
        """Note one more that waits."""
        self._waiting += 1
        if self._over is not None:
            self._over.cancel()
            self._over = None
        if not self._is_told:
            self._is_told = True
            log.warning("kafka-unavailable", reason=reason)

    def end(self) -> None:
        """Note one that waits no more."""
        self._waiting -= 1
        if self._waiting == 0:
            self._over = asyncio.get_running_loop().call_later(self._quiet_seconds, self._tell_end)

    def _tell_end(self) -> None:
        self._over = None
        self._is_told = False
        log.warning("kafka-back")
