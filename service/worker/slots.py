"""How many records are in progress at once, shared so that every project finds a slot.

The records of one project may keep their slots for a long time: 128 jobs with 40 claims each take the API server half a
minute. So a project may have no more than `SHARE` times as many slots as it leaves free, which is all but an eighth of
them for one alone, and equal parts for several (dynamic thresholds; Choudhury and Hahne, 1998).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

SHARE: Final = 7
"""How many slots a project may have for each that is free."""


class Slots:
    """`count` slots. `on_release` is called whenever somebody may have become able to take one."""

    def __init__(self, count: int, on_release: Callable[[], None]) -> None:
        self.free = count
        self._on_release = on_release
        self._held: Counter[bytes] = Counter()
        self._waiting: dict[bytes, deque[asyncio.Future[None]]] = {}

    def may_take(self, project: bytes) -> bool:
        """Tell whether a project may take a slot now."""
        return self._held[project] < SHARE * self.free

    def take(self, project: bytes) -> None:
        """Take a slot, after `may_take`."""
        self.free -= 1
        self._held[project] += 1

    async def wait(self, project: bytes) -> None:
        """Take a slot as soon as the project may; before those whose records have not been started yet."""
        if self.may_take(project) and not self._waiting.get(project):
            self.take(project)
            return
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(project, deque()).append(taken)
        try:
            await taken
        except asyncio.CancelledError:
            if not taken.cancelled():  # given and cancelled at the same time
                self.release(project)
            raise

    def release(self, project: bytes) -> None:
        """Give a slot back."""
        self.free += 1
        self._held[project] -= 1
        if not self._held[project]:
            del self._held[project]
        self._admit()
        self._on_release()

    def _admit(self) -> None:
        """Give slots to those that wait, in turns of the projects."""
        turns = deque(self._waiting)
        while turns and self.free:
            project = turns.popleft()
            queue = self._waiting.pop(project)
            while queue and queue[0].done():  # cancelled
                queue.popleft()
            is_next = bool(queue) and self.may_take(project)
            if is_next:
                self.take(project)
                queue.popleft().set_result(None)
            if queue:
                self._waiting[project] = queue  # last in the order of the next time
                if is_next:
                    turns.append(project)
