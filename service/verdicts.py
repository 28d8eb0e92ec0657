"""Answers that are asked for elsewhere, and remembered for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from cachetools import TTLCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

TURN_SECONDS: Final = 5.0
"""How long a question waits for its turn: with nobody who answers, the queue would grow and grow."""


class Verdicts(Generic[Key, Value]):
    """Remembers at most `most` answers for `seconds` each, and asks no question twice at the same time.

    Of too many the one that was used longest ago is forgotten. At most `at_once` questions are under way.
    """

    def __init__(self, most: int, seconds: float, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: TTLCache[Key, tuple[Value]] = TTLCache(most, seconds, clock)
        self._asked: dict[Key, asyncio.Task[Value]] = {}
        self._turns = asyncio.Semaphore(at_once)

    def known(self, key: Key) -> tuple[Value] | None:
        """Return the answer that is remembered, in a tuple, or None."""
        return self._known.get(key)

    async def of(self, key: Key, ask: Callable[[], Awaitable[Value]]) -> Value:
        """Return the answer for `key`, that of `ask` where none is remembered.

        Raises what `ask` raises, TimeoutError where its turn does not come in time.
        """
        known = self.known(key)
        if known is not None:
            return known[0]
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.create_task(self._ask(key, ask))
            asked.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(asked)  # others may wait for it

    async def _ask(self, key: Key, ask: Callable[[], Awaitable[Value]]) -> Value:
        async with asyncio.timeout(TURN_SECONDS):
            await self._turns.acquire()
        try:
            answer = await ask()
        finally:
            self._turns.release()
        self._known[key] = (answer,)
        return answer

    def _done(self, key: Key, task: asyncio.Task[Value]) -> None:
        del self._asked[key]
        if not task.cancelled():
            task.exception()  # whoever asked may be gone
