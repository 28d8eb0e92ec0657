"""Takes reference and subject in turns, A-B-B-A-A-B-B-A..., so that a drift of the machine falls on both alike."""

import gc
from collections.abc import Awaitable, Callable
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


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
