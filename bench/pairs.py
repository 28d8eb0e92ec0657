"""How much is measured, and in which order: reference and subject in turns, A-B-B-A-A-B-B-A.

So a drift of the machine's speed falls on both alike.
"""

import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Options:
    """`pairs` of reference and subject; `scale` multiplies every number of requests, for a quick look."""

    pairs: int
    scale: float

    def scaled(self, count: int) -> int:
        """Return a number of requests, never less than a hundred."""
        return max(100, round(count * self.scale))


async def in_turns(
    pairs: int, reference: Callable[[], Awaitable[A]], subject: Callable[[], Awaitable[B]]
) -> list[tuple[A, B]]:
    """Measure both sides `pairs` times; every other pair begins with the subject."""
    measured = []
    for number in range(pairs):
        gc.collect()
        if number % 2:
            second = await subject()
            measured.append((await reference(), second))
        else:
            first = await reference()
            measured.append((first, await subject()))
    return measured
