"""How much each may ask for in a second: the generic cell rate algorithm (ITU-T I.371, annex A), a leaky bucket.

It keeps one number for each, the time at which they will have used up what they asked for, and nothing of those who ask
for less.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from cachetools import TLRUCache

from service.submission import rejections
from service.submission.rejection import SubmissionRejected

MOST_HOLDERS: Final = 10_000
"""Users or projects that are counted at once; of more, the one that asked longest ago starts anew."""

_ROUNDING: Final = 1e-6  # seconds; sums of intervals are not exact


class Rates:
    """At most `per_second` requests of each holder, a second's worth of them at once; 0 counts nothing."""

    def __init__(self, per_second: float, whose: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`whose` is the word for a holder in the refusal."""
        self._interval = 1 / per_second if per_second else 0.0
        self._tolerance = self._interval * (max(1.0, per_second) - 1)
        self._whose = whose
        self._clock = clock
        self._used_up: TLRUCache[str, float] = TLRUCache(
            MOST_HOLDERS, ttu=lambda _holder, used_up, _now: used_up, timer=clock
        )

    def count(self, holder: str) -> None:
        """Count a request. Raises SubmissionRejected (429), with the time after which there is room for one."""
        if not self._interval:
            return
        now = self._clock()
        used_up = max(self._used_up.get(holder, now), now)
        wait = used_up - now - self._tolerance
        if wait > _ROUNDING:
            raise SubmissionRejected(
                rejections.too_many_requests(f"requests of {self._whose} {holder} in a second"),
                math.ceil(wait - _ROUNDING),
            )
        self._used_up[holder] = used_up + self._interval
