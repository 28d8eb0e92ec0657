"""When things happen in an open loop: at random, and whether or not the earlier ones are done."""

import asyncio
import random
import time
from collections.abc import AsyncIterator


async def at_random(rate: float, seconds: float, seed: int = 1) -> AsyncIterator[float]:
    """Wait for one time after the other, `rate` a second on average (Poisson), and yield it as `perf_counter` has it.

    A latency counts from there, so that a generator or a server that falls behind shows.
    """
    chance = random.Random(seed)  # noqa: S311 - the same times in every run
    started = due = time.perf_counter()
    while due < started + seconds:
        due += chance.expovariate(rate)
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        yield due
