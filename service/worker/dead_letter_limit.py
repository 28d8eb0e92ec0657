"""How many records may become dead letters because their handling crashed, before the consumer stops.

Pure bookkeeping for `record_handler`. A faulty release would otherwise put a whole topic among the dead letters. A
record that its producer has made unreadable does not count: anyone who may produce could stop all consumers with it.
"""

from collections import deque

RECENT = 100
"""Records over which the share is taken; those not seen yet count as good."""


class DeadLetterLimit:
    """The share of crashes among the recent records, against a limit in percent."""

    __slots__ = ("_percent", "_recent")

    def __init__(self, percent: float) -> None:
        self._percent = percent
        self._recent: deque[bool] = deque([False] * RECENT, maxlen=RECENT)

    def note_good(self) -> None:
        """Count a record that was handled."""
        self._recent.append(False)

    def admit(self) -> bool:
        """Count a record that crashed and return True, or return False where it would be one too many.

        To be asked before the dead letter is written: records in progress at once would each find room. With a limit of
        100 percent there always is.
        """
        if (sum(self._recent) - self._recent[0] + 1) * 100 > self._percent * RECENT:
            return False
        self._recent.append(True)
        return True
