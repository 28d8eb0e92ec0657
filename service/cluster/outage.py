"""Whether the API server is there at all, and why not: one answer for everybody who waits for it.

In an outage no submission asks on its own: one caller probes, the others wait for what it finds.
"""

import asyncio
from collections.abc import Awaitable, Callable

from service.kube import ApiUnreachable
from service.telemetry.logs import log


class OutageGate:
    """Holds everybody back in an outage.

    `check` asks the API server once and raises ApiUnreachable; `interval` is the pause between two probes in seconds.
    It does not grow, so that everybody is back at most one interval after the API is. `show` is told the reason of an
    outage and, when it is over and at first, None.
    """

    def __init__(
        self, check: Callable[[], Awaitable[None]], interval: float, show: Callable[[str | None], None]
    ) -> None:
        self._check = check
        self._interval = interval
        self._show = show
        self._lock = asyncio.Lock()
        self._probes = 0
        self._there_was = False
        self.reason: str | None = None
        show(None)

    @property
    def in_outage(self) -> bool:
        """Whether everybody has to wait."""
        return self.reason is not None

    async def until_over(self) -> bool:
        """Probe until the API answers; return True if it did not at first, so that there was an outage.

        The waiters hold a lock instead of sharing a task: when the one that probes is cancelled, the next takes over.
        """
        seen = self._probes
        async with self._lock:
            if seen == self._probes:
                there_was = self.in_outage
                while not await self._answers():
                    there_was = True
                    await asyncio.sleep(self._interval)
                self._there_was = there_was
                self._probes += 1
            return self._there_was

    async def watch(self, interval: float) -> None:
        """Probe every `interval` seconds until cancelled: an outage is noticed while nobody asks for anything."""
        while True:
            await self.until_over()
            await asyncio.sleep(interval)

    async def _answers(self) -> bool:
        """Ask once, and tell what has changed."""
        try:
            await self._check()
        except ApiUnreachable as error:
            if error.reason != self.reason:
                self.reason = error.reason
                self._show(error.reason)
                log.error("kubernetes-unreachable", reason=error.reason, detail=error.detail)
            return False
        if self.in_outage:
            self.reason = None
            self._show(None)
            log.info("kubernetes-back")
        return True
