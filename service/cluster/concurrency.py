"""Adapts how many requests are in progress at once to how the API server answers, so that others have room there.

Slow start, additive increase, multiplicative decrease, as TCP does (RFC 5681): while answers come quickly twice as many
steps may be in progress each round, and once that was too much one more each round; a 429 halves their number and holds
all of them back for as long as the server asks; when most answers of a round are slow, the next round is smaller. A
single slow object, such as one behind a broken webhook, does not change the limit. `retries` asks for a place before
each step.

Places go to the namespaces in turn, and within one in the order they are asked for: a thousand steps of one project
delay a step of another by one of them (fair queueing; RFC 970).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

DECREASE_SLOW: Final = 0.7
"""What is left of the limit after a slow round."""

THROTTLED_SECONDS: Final = 10.0
"""How long a 429 is news."""

RETRY_AFTER_SECONDS: Final = 1.0
"""How long a 429 without `Retry-After` holds back; what the API server itself sends."""


class Limiter:
    """Places for steps in progress, shared fairly between namespaces.

    There are `most` places at best, one at worst. Answers that take longer than `slow_seconds` count as slow;
    `per_second` spaces out the steps where it is not 0; `show` is told the number of places. Use: `await enter(...)`,
    one step, `leave(...)`.
    """

    def __init__(self, most: int, slow_seconds: float, per_second: float, show: Callable[[float], None]) -> None:
        self._most = most
        self._slow_seconds = slow_seconds
        self._spacing = 1 / per_second if per_second else 0.0
        self._show = show
        self._in_progress = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._turns: deque[str] = deque()  # the namespaces in `_waiting`
        self._not_before = self._decreased_at = 0.0
        self._refused_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._answers = self._slow = 0
        self._slow_start = True  # until it was too much for the first time
        self._set(max(1.0, most / 4))

    def _set(self, limit: float) -> None:
        self.limit = min(max(limit, 1.0), self._most)
        self._answers = self._slow = 0
        self._show(int(self.limit))

    @property
    def is_throttled(self) -> bool:
        """Whether the API server has refused a step of late as one too many."""
        return asyncio.get_running_loop().time() - self._refused_at < THROTTLED_SECONDS

    async def enter(self, namespace: str) -> float:
        """Take a place, waiting for one; return the time on the event loop's clock at which it was given."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._turns and self._in_progress < int(self.limit) and now >= self._not_before:
            return self._take(now)
        admitted: asyncio.Future[None] = loop.create_future()
        if namespace not in self._waiting:
            self._waiting[namespace] = deque()
            self._turns.append(namespace)
        self._waiting[namespace].append(admitted)
        self._admit()
        try:
            await admitted
        except asyncio.CancelledError:
            if not admitted.cancelled():  # admitted and cancelled at the same time
                self._in_progress -= 1
                self._admit()
            raise
        return loop.time()

    def leave(self, entered: float, *, refused: bool = False, retry_after: float | None = None) -> None:
        """Give back the place taken at `entered`; `refused` tells of a 429 and `retry_after` what came with it."""
        now = asyncio.get_running_loop().time()
        if refused:
            self._refused_at = now
            self._not_before = max(self._not_before, now + (retry_after or RETRY_AFTER_SECONDS))
            if entered >= self._decreased_at:  # earlier ones began before the last reduction
                self._decreased_at = now
                self._shrink(1 / 2)
        else:
            self._answers += 1
            self._slow += now - entered > self._slow_seconds
            if self._answers >= int(self.limit):
                if self._slow * 2 > self._answers:
                    self._shrink(DECREASE_SLOW)
                else:
                    self._set(self.limit * 2 if self._slow_start else self.limit + 1)
        self.give_back()

    def give_back(self) -> None:
        """Give back a place in which nothing was done."""
        self._in_progress -= 1
        self._admit()

    def _shrink(self, factor: float) -> None:
        self._slow_start = False
        self._set(self.limit * factor)

    def _admit(self) -> None:
        """Let in whoever may go now, and come back when the time holds somebody back."""
        loop = asyncio.get_running_loop()
        while self._turns and self._in_progress < int(self.limit):
            now = loop.time()
            if now < self._not_before:
                if self._timer is None:
                    self._timer = loop.call_at(self._not_before, self._timer_fired)
                return
            admitted = self._next()
            if admitted is not None:
                self._take(now)
                admitted.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        """Remove and return the first who waits of the namespace whose turn it is; None where all were cancelled."""
        namespace = self._turns.popleft()
        queue = self._waiting[namespace]
        admitted = None
        while queue and admitted is None:
            first = queue.popleft()
            admitted = None if first.done() else first
        if queue:
            self._turns.append(namespace)
        else:
            del self._waiting[namespace]
        return admitted

    def _take(self, now: float) -> float:
        self._not_before = max(now, self._not_before) + self._spacing
        self._in_progress += 1
        return now

    def _timer_fired(self) -> None:
        self._timer = None
        self._admit()
