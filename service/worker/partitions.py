"""One partition while it is ours, and the turns that its records get.

Stands between `consumer`, which hands out places and takes partitions back, and `handling`, which asks its turn before
every write whether it may still act.
"""

import asyncio

from service.broker import SubmissionSource
from service.errors import LeaseLost
from service.worker.offsets import OffsetTracker

LEASE_SECONDS = 0.05
"""How often a write that waits for proof of membership looks again."""


class Assignment:
    """One partition while it is ours."""

    __slots__ = ("front", "loading", "partition", "paused", "revoked", "tasks")

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.front = OffsetTracker()
        self.tasks: set[asyncio.Task[None]] = set()
        self.loading: asyncio.Task[None] | None = None
        self.paused = True
        self.revoked = False


class Turn:
    """One of the places among the submissions in progress, as `handling` sees it."""

    __slots__ = ("_assignment", "_held", "_slots", "_source")

    def __init__(self, slots: asyncio.Semaphore, source: SubmissionSource, assignment: Assignment) -> None:
        self._slots = slots
        self._source = source
        self._assignment = assignment
        self._held = True

    async def guard(self) -> None:
        """Return when this process may act for the partition; raises LeaseLost when another one may have it by now.

        A process that was stopped for longer than the session must not act on what it knew before: it waits until the
        group has confirmed its membership, or has taken the partition away.
        """
        while not self._assignment.revoked and not self._source.fresh():  # noqa: ASYNC110 - no event tells that time has passed
            await asyncio.sleep(LEASE_SECONDS)
        if self._assignment.revoked:
            raise LeaseLost

    async def rest(self, seconds: float) -> None:
        """Sleep without holding the place, so that a failing submission keeps no other waiting; then take one again."""
        self.end()
        await asyncio.sleep(seconds)
        await self._slots.acquire()
        self._held = True

    def end(self) -> None:
        """Free the place, if it is held."""
        if self._held:
            self._held = False
            self._slots.release()
