"""An API server as a model, in time of its own: cores that each work at one request after the other, and webhooks."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class ApiServer:
    """`cores` that take `work` seconds for each request; `aside` are seconds that it waits elsewhere."""

    cores: int
    work: float
    aside: Callable[[], float] = lambda: 0.0

    def __post_init__(self) -> None:
        self._free = [0.0] * self.cores

    def done_at(self, now: float) -> float:
        """When a request that comes now is answered."""
        begun = max(now, heapq.heappop(self._free))
        heapq.heappush(self._free, begun + self.work)
        return begun + self.work + self.aside()
