"""How many records may become dead letters before the consumer stops and asks for a person.

Pure bookkeeping for `handling`. A faulty release would otherwise drain a whole topic into dead letters, one
well-meant step after the other.
"""

from collections import deque

RECENT = 100
"""Records over which the share is taken; those not seen yet count as good."""


class DeadLetterLimit:
    """The share of dead letters among the recent records, against a limit in percent."""

    __slots__ = ("_percent", "_recent")

    def __init__(self, percent: float) -> None:
        self._percent = percent
        self._recent: deque[bool] = deque([False] * RECENT, maxlen=RECENT)

    def note(self, *, dead: bool) -> None:
        """Count a record that was handled."""
        self._recent.append(dead)

    @property
    def reached(self) -> bool:
        """Tell whether one more dead letter would be too many; with 100 percent it never is."""
        return (sum(self._recent) - self._recent[0] + 1) * 100 > self._percent * RECENT
