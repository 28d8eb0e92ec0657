"""Creates that ended without an answer, for as long as the API server may still carry them out.

Whoever says that there is no Job of a submission, and that none will come, has to wait for them.
"""


class UnsettledCreates:
    """Remembers each for `seconds`: longer than a request may take. Times are those of the event loop's clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[tuple[str, str], float] = {}  # in the order of the times

    def note(self, namespace: str, name: str, now: float) -> None:
        """Note that nobody knows what has become, or is still to become, of the create of a Job."""
        for each in [each for each, until in self._until.items() if until < now]:
            del self._until[each]
        self._until.pop((namespace, name), None)
        self._until[namespace, name] = now + self._seconds

    def settled_at(self, namespace: str, name: str) -> float:
        """Return from when on a look at a Job's name tells all, as far as this process knows."""
        return self._until.get((namespace, name), 0.0)
