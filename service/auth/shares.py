"""Places shared fairly: whoever holds many leaves as many free for the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.submission import rejections
from service.submission.rejection import SubmissionRejected


class Shares:
    """At most `limit` places, of which nobody may hold more than are left free.

    So one alone gets half of them, the second half of the rest, and a newcomer finds a place while others ask for all:
    the dynamic threshold of shared buffers (Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998).
    """

    def __init__(self, limit: int, whose: str, what: str = "submissions{} in progress") -> None:
        """`whose` is the word for a holder in the refusal, `what` those for the places, with a gap for the holder."""
        self._limit = limit
        self._whose = whose
        self._what = what
        self._held: Counter[str] = Counter()
        self.taken = 0

    @contextmanager
    def place(self, holder: str) -> Iterator[None]:
        """Hold a place while the block runs. Raises SubmissionRejected (429) where there is none for this holder."""
        free = self._limit - self.taken
        if free <= 0:
            raise SubmissionRejected(rejections.too_many_requests(self._what.format("")))
        if self._held[holder] >= free:
            what = self._what.format(f" of {self._whose} {holder}")
            raise SubmissionRejected(rejections.too_many_requests(what))
        self._held[holder] += 1
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
