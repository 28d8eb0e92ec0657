"""What a consumer holds while it works: a partition, the lease to write for it, and a slot for each record in progress.

`consumer` makes and ends them; `record_handler` confirms the lease before every write and gives the slot up while it
waits for the next try.
"""

import asyncio
import contextlib
from collections.abc import Callable

from service.errors import GivesWay, LeaseLost
from service.worker.offsets import OffsetTracker
from service.worker.slots import Slots

CONFIRM_SECONDS = 0.05
"""How often a write that waits for proof of membership looks again."""


class Lease:
    """The right to write for one partition. It ends for good when the partition is revoked.

    `is_member` tells whether the group has confirmed this process's membership recently enough to act on it. `since` is
    when the lease began, by the event loop's clock: until then another process may have made requests.
    """

    __slots__ = ("_is_member", "revoked", "since")

    def __init__(self, is_member: Callable[[], bool]) -> None:
        self._is_member = is_member
        self.revoked = False
        self.since = asyncio.get_running_loop().time()

    async def confirm(self) -> None:
        """Return when this process may write for the partition; raises LeaseLost when another one may by now.

        A process that was stopped for longer than its session must not act on what it knew before: it waits until the
        group has confirmed its membership, or has taken the partition away.
        """
        while not self.revoked and not self._is_member():  # noqa: ASYNC110 - no event tells that time has passed
            await asyncio.sleep(CONFIRM_SECONDS)
        if self.revoked:
            raise LeaseLost


class Slot:
    """One of the `CONSUMER_CONCURRENCY` records that may be in progress at once; made when one of `slots` was taken.

    `project` is the record's, `lease` that of its partition.
    """

    __slots__ = ("_cancelled", "_held", "_project", "_slots", "lease")

    def __init__(self, slots: Slots, project: bytes, lease: Lease) -> None:
        self._slots = slots
        self._project = project
        self._held = True
        self._cancelled = asyncio.Event()
        self.lease = lease

    @property
    def is_cancelled(self) -> bool:
        """Whether a cancel of the record's submission waits for it to end."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Note that a cancel waits; ends `sleep_unless_cancelled`."""
        self._cancelled.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep between two tries without the slot, so that others work in the meantime; then take a slot again."""
        self.release()
        await asyncio.sleep(seconds)
        await self._slots.wait(self._project)
        self._held = True

    async def sleep_unless_cancelled(self, seconds: float) -> None:
        """Sleep likewise, but no longer than until a cancel of the submission comes. Raises GivesWay for one."""
        self.release()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._cancelled.wait()
        await self._slots.wait(self._project)
        self._held = True
        if self._cancelled.is_set():
            raise GivesWay

    def release(self) -> None:
        """Give the slot back, if it is held."""
        if self._held:
            self._held = False
            self._slots.release(self._project)


class Assignment:
    """One partition while it is ours."""

    __slots__ = ("held_bytes", "lease", "loading", "offsets", "partition", "paused", "tasks")

    def __init__(self, partition: int, lease: Lease) -> None:
        self.partition = partition
        self.lease = lease
        self.offsets = OffsetTracker()
        self.tasks: set[asyncio.Task[None]] = set()
        self.loading: asyncio.Task[None] | None = None
        self.paused = True
        self.held_bytes = 0
