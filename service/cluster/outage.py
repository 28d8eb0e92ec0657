"""Whether the API server is there at all: one answer for everybody who waits for it.

In an outage no submission asks on its own: one caller probes, the others wait for what it finds.
"""

import asyncio
from collections.abc import Awaitable, Callable

from service.telemetry.logs import log


class OutageGate:
    """Closed while the API answers, open in an outage.

    `alive` asks the API server once, `interval` is the pause between two probes in seconds. It does not grow, so that
    everybody is back at most one interval after the API is. `show` is told 1 for closed and 0 for open.
    """

    def __init__(self, alive: Callable[[], Awaitable[bool]], interval: float, show: Callable[[float], None]) -> None:
        self._alive = alive
        self._interval = interval
        self._show = show
        self._lock = asyncio.Lock()
        self._probes = 0
        self._was_open = False
        self.open = False
        show(1)

    async def until_closed(self) -> bool:
        """Probe until the API answers; return True if it did not at first, so that there was an outage.

        The waiters hold a lock instead of sharing a task: when the one that probes is cancelled, the next takes over.
        """
        seen = self._probes
        async with self._lock:
            if seen == self._probes:
                self._was_open = await self._probe() or self.open
                self._probes += 1
                self._set(is_open=False)
            return self._was_open

    async def _probe(self) -> bool:
        if await self._alive():
            return False
        self._set(is_open=True)
        await asyncio.sleep(self._interval)
        while not await self._alive():  # noqa: ASYNC110 - nobody but the API server can tell
            await asyncio.sleep(self._interval)
        return True

    def _set(self, *, is_open: bool) -> None:
        if is_open != self.open:
            self.open = is_open
            self._show(not is_open)
            (log.error if is_open else log.info)("kubernetes-unreachable" if is_open else "kubernetes-back")
