"""Leaves a line about what fails at the API server for a while, without one for each of a thousand tries.

An outage has its own lines (`outage`). What is left are failures of single requests that are tried again: a store that
is full, a webhook that is down, a quota that is being counted.
"""

from collections import Counter
from typing import Final

from service.telemetry.logs import log

EVERY_SECONDS: Final = 60.0
"""How long a reason stays silent after a line about it."""


class FailureLog:
    """Failures by reason, of which there are few. Times are those of the event loop's clock."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}
        self._untold: Counter[str] = Counter()

    def note(self, reason: str, detail: str, namespace: str, now: float) -> None:
        """Count a failed try; tell of it where nothing was told of its reason for a while.

        The line has the server's words and the namespace of this one try, and the number of tries since the last line.
        """
        self._untold[reason] += 1
        told_at = self._told_at.get(reason)
        if told_at is None or now - told_at >= EVERY_SECONDS:
            self._told_at[reason] = now
            log.warning(
                "kubernetes-failing", reason=reason, detail=detail, namespace=namespace, tries=self._untold.pop(reason)
            )
