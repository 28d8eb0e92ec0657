"""How many submissions wait, and how many got their outcome, over the last minutes: what the page draws.

Bounded, and sampled whether or not anybody looks, so that a page that is opened has a past to show.
"""

import asyncio
import time
from collections import deque
from typing import Final, NamedTuple

from service.broker import BrokerUnavailable
from service.views.pending import PendingSubmissions
from service.views.waiters import Waiters

SAMPLE_SECONDS: Final = 5.0
SAMPLES: Final = 120


class Sample(NamedTuple):
    """What the time up to `at`, in milliseconds since the epoch, brought; `waiting` is None where nobody can tell."""

    at: int
    waiting: int | None
    done: int
    refused: int


class Throughput:
    """The last samples; `run` takes them."""

    def __init__(self, waiters: Waiters, pending: PendingSubmissions) -> None:
        self._waiters = waiters
        self._pending = pending
        self._before = (0, 0)
        self.samples: deque[Sample] = deque(maxlen=SAMPLES)

    async def run(self) -> None:
        """Take samples until cancelled."""
        while True:
            started = time.monotonic()
            await self.sample()
            await asyncio.sleep(started + SAMPLE_SECONDS - time.monotonic())

    async def sample(self) -> None:
        """Take one."""
        try:
            async with asyncio.timeout(SAMPLE_SECONDS):
                waiting = await self._pending.lag()
        except (BrokerUnavailable, TimeoutError):  # the monitor of Kafka tells of it
            waiting = None
        done, refused = self._waiters.done, self._waiters.refused
        before_done, before_refused = self._before
        self._before = done, refused
        self.samples.append(Sample(int(time.time() * 1000), waiting, done - before_done, refused - before_refused))
