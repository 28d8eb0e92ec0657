"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """`pairs` of reference and subject; `scale` multiplies every number of requests, for a quick look."""

    pairs: int
    scale: float

    def scaled(self, count: int) -> int:
        """Return a number of requests, never less than a hundred."""
        return max(100, round(count * self.scale))
