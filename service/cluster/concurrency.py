"""Adapts how many requests are in progress at once to how the API server answers, so that others have room there.

Slow start, additive increase, multiplicative decrease, as TCP does (RFC 5681): while answers come quickly twice as many
steps may be in progress each round, and once that was too much one more each round; a 429 halves their number and holds
all of them back for as long as the server asks; when most answers of a round are slow, the next round is smaller. A
single slow object, such as one behind a broken webhook, does not change the limit. `retries` asks for a place before
each step.

Places go to the namespaces in turn, and within one in the order they are asked for: a thousand steps of one project
delay a step of another by one of them (fair queueing; RFC 970). While there are steps of several namespaces, each takes
no more places than its congestion window, so that what waits does so here, where there are turns, and not at the API
server, where there are none. One that is alone takes all: its steps wait for nobody's but its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from cachetools import LRUCache

from service.cluster.congestion import CongestionWindow

DECREASE_SLOW: Final = 0.7
"""What is left of the limit after a slow round."""

THROTTLED_SECONDS: Final = 10.0
"""How long a 429 is news."""

RETRY_AFTER_SECONDS: Final = 1.0
"""How long a 429 without `Retry-After` holds back; what the API server itself sends."""

SHARED_SECONDS: Final = 10.0
"""How long after a step of another namespace the next one of it is expected."""

NAMESPACES: Final = 1000
"""How many namespaces' congestion windows are remembered."""


class Place(NamedTuple):
    """The right to have one step in progress, since a time of the event loop's clock; `window` is its namespace's."""

    window: CongestionWindow
    since: float


class Limiter:
    """Places for steps in progress, shared fairly between namespaces.

    There are `most` places at best, one at worst. Answers that take longer than `slow_seconds` count as slow;
    `per_second` spaces out the steps where it is not 0; `show` is told the number of places. Use: `await enter(...)`,
    one step, `leave(...)` with the place that it gave.
    """

    def __init__(self, most: int, slow_seconds: float, per_second: float, show: Callable[[float], None]) -> None:
        self._most = most
        self._slow_seconds = slow_seconds
        self._spacing = 1 / per_second if per_second else 0.0
        self._show = show
        self._in_progress = 0
        self._waiting: dict[str, deque[asyncio.Future[Place]]] = {}
        self._turns: deque[str] = deque()  # the namespaces in `_waiting`
        self._windows: LRUCache[str, CongestionWindow] = LRUCache(NAMESPACES)
        self._newest = ""  # the namespace that asked last
        self._shared_until = float("-inf")
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

    async def enter(self, namespace: str) -> Place:
        """Take a place, waiting for one."""
        loop = asyncio.get_running_loop()
        now, window = loop.time(), self._window(namespace)
        if namespace != self._newest:
            self._shared_until = now + SHARED_SECONDS if self._newest else now
            self._newest = namespace
        has_room = self._in_progress < int(self.limit) and not self._is_held(window, now)
        if has_room and not self._turns and now >= self._not_before:
            return self._take(window, now)
        admitted: asyncio.Future[Place] = loop.create_future()
        if namespace not in self._waiting:
            self._waiting[namespace] = deque()
            self._turns.append(namespace)
        self._waiting[namespace].append(admitted)
        self._admit()
        try:
            place = await admitted
        except asyncio.CancelledError:
            if not admitted.cancelled():  # admitted and cancelled at the same time
                self.give_back(admitted.result())
            raise
        return place._replace(since=loop.time())

    def leave(
        self, place: Place, *, answered: bool = True, refused: bool = False, retry_after: float | None = None
    ) -> None:
        """Give back a place.

        `answered` tells whether the step was carried out, so that its time says something, `refused` tells of a 429 and
        `retry_after` what came with it.
        """
        now = asyncio.get_running_loop().time()
        if refused:
            self._refused_at = now
            self._not_before = max(self._not_before, now + (retry_after or RETRY_AFTER_SECONDS))
            if place.since >= self._decreased_at:  # earlier ones began before the last reduction
                self._decreased_at = now
                self._shrink(1 / 2)
        else:
            self._answers += 1
            self._slow += now - place.since > self._slow_seconds
            if self._answers >= int(self.limit):
                if self._slow * 2 > self._answers:
                    self._shrink(DECREASE_SLOW)
                else:
                    self._set(self.limit * 2 if self._slow_start else self.limit + 1)
        if answered:
            place.window.note(now - place.since)
        self.give_back(place)

    def give_back(self, place: Place) -> None:
        """Give back a place in which nothing was done."""
        self._in_progress -= 1
        place.window.in_progress -= 1
        self._admit()

    def _window(self, namespace: str) -> CongestionWindow:
        window = self._windows.get(namespace)
        if window is None:
            window = self._windows[namespace] = CongestionWindow(self._most)
        return window

    def _shrink(self, factor: float) -> None:
        self._slow_start = False
        self._set(self.limit * factor)

    def _is_held(self, window: CongestionWindow, now: float) -> bool:
        return window.is_full and now < self._shared_until

    def _admit(self) -> None:
        """Let in whoever may go now, and come back when the time holds somebody back."""
        loop = asyncio.get_running_loop()
        passed_over = 0
        while passed_over < len(self._turns) and self._in_progress < int(self.limit):
            now = loop.time()
            if now < self._not_before:
                if self._timer is None:
                    self._timer = loop.call_at(self._not_before, self._timer_fired)
                return
            window = self._window(self._turns[0])
            if self._is_held(window, now):
                self._turns.rotate(-1)
                passed_over += 1
                continue
            admitted = self._next()
            if admitted is not None:
                admitted.set_result(self._take(window, now))
            passed_over = 0

    def _next(self) -> "asyncio.Future[Place] | None":
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

    def _take(self, window: CongestionWindow, now: float) -> Place:
        self._not_before = max(now, self._not_before) + self._spacing
        self._in_progress += 1
        window.in_progress += 1
        return Place(window, now)

    def _timer_fired(self) -> None:
        self._timer = None
        self._admit()
