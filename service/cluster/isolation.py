"""Keeps one namespace whose requests get no answer from taking the places of all others ("bulkhead", M. Nygard).

Behind an admission webhook that hangs, a create takes as long as a request may. `concurrency` does not notice, as most
answers are quick; but every place would sooner or later be held by a request of that namespace. So a namespace that
has kept a request waiting too long is suspect until it answers one in time. Meanwhile a few of its requests go out
beside the common places, and `retries` lets its other submissions wait as after a failure.
"""

from itertools import count


class SlowNamespaces:
    """Requests in progress by namespace, and which namespaces are suspect: those that took longer than `seconds`.

    `most` requests of a suspect one may be in progress. Times are those of the event loop's clock. Use: look whether
    the namespace is suspect, and then whether it is full, `begin`, one request, `end` with what `begin` returned.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._numbers = count()
        self._begun: dict[str, dict[int, float]] = {}
        self._suspect: set[str] = set()

    def suspects(self, namespace: str, now: float) -> bool:
        """Tell whether a namespace is suspect."""
        begun = self._begun.get(namespace)
        if begun and now - next(iter(begun.values())) > self._seconds:
            self._suspect.add(namespace)
        return namespace in self._suspect

    def full(self, namespace: str) -> bool:
        """Tell whether no other request of a suspect namespace may go out."""
        return len(self._begun.get(namespace, ())) >= self._most

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

    def clear(self) -> None:
        """Suspect nobody: it was the API server that was away."""
        self._suspect.clear()
