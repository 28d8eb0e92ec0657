"""Whether the API server is there at all: one answer for everybody who waits for it.

In an outage no submission asks on its own: one caller probes, the others wait for what it finds.
"""

import asyncio
from collections.abc import Awaitable, Callable

from service.telemetry.logs import log


class OutageGate:
    """Holds everybody back in an outage.

    `alive` asks the API server once, `interval` is the pause between two probes in seconds. It does not grow, so that
    everybody is back at most one interval after the API is. `show` is told 1 while the API answers, 0 in an outage.
    """

    def __init__(self, alive: Callable[[], Awaitable[bool]], interval: float, show: Callable[[float], None]) -> None:
        self._alive = alive
        self._interval = interval
        self._show = show
        self._lock = asyncio.Lock()
        self._probes = 0
        self._there_was = False
        self.in_outage = False
        show(1)

    async def until_over(self) -> bool:
        """Probe until the API answers; return True if it did not at first, so that there was an outage.

        The waiters hold a lock instead of sharing a task: when the one that probes is cancelled, the next takes over.
        """
        seen = self._probes
        async with self._lock:
            if seen == self._probes:
                self._there_was = await self._probe() or self.in_outage
                self._probes += 1
                self._set(in_outage=False)
            return self._there_was

    async def watch(self, interval: float) -> None:
        """Probe every `interval` seconds until cancelled: an outage is noticed while nobody asks for anything."""
        while True:
            await self.until_over()
            await asyncio.sleep(interval)

    async def _probe(self) -> bool:
        if await self._alive():
            return False
        self._set(in_outage=True)
        await asyncio.sleep(self._interval)
        while not await self._alive():  # noqa: ASYNC110 - nobody but the API server can tell
            await asyncio.sleep(self._interval)
        return True

    def _set(self, *, in_outage: bool) -> None:
        if in_outage != self.in_outage:
            self.in_outage = in_outage
            self._show(not in_outage)
            (log.error if in_outage else log.info)("kubernetes-unreachable" if in_outage else "kubernetes-back")
