"""Keeps one project whose requests get no answer from taking the places of all others (Nygard, "Bulkhead").

Behind an admission webhook that hangs, a create takes as long as a request may. `limiter` does not notice, as most
answers are quick; but every place would sooner or later be held by a request of that project. So a namespace that has
kept a request waiting too long is suspect until it answers one in time: a few of its requests go out meanwhile, to find
that out, and `persistence` lets the other submissions rest without a place.
"""

from itertools import count


class Bulkhead:
    """Requests in progress by namespace, and the namespaces that are suspect: they take longer than `seconds`.

    Times are those of the event loop's clock. Use: `admits`, `begin`, one request, `end` with what `begin` returned.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._numbers = count()
        self._begun: dict[str, dict[int, float]] = {}
        self._suspect: set[str] = set()

    def admits(self, namespace: str, now: float, most: int) -> bool:
        """Tell whether a request of a namespace may go out: of a suspect one there are `most` at once."""
        begun = self._begun.get(namespace)
        if not begun:
            return True
        if now - next(iter(begun.values())) > self._seconds:
            self._suspect.add(namespace)
        return namespace not in self._suspect or len(begun) < most

    def begin(self, namespace: str, now: float) -> int:
        """Count a request of a namespace until its `end`; return its number."""
        number = next(self._numbers)
        self._begun.setdefault(namespace, {})[number] = now
        return number

    def end(self, namespace: str, number: int, now: float) -> None:
        """Count a request no longer, and learn from the time it took."""
        begun = self._begun[namespace]
        if now - begun.pop(number) > self._seconds:
            self._suspect.add(namespace)
        else:
            self._suspect.discard(namespace)
        if not begun:
            del self._begun[namespace]

    def forgive(self) -> None:
        """Suspect nobody: it was the API server that was away."""
        self._suspect.clear()
