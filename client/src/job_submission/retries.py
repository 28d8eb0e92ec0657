"""Whether a request is sent again, and when: pure."""

import random
from collections.abc import Callable
from typing import Final

from job_submission.errors import JobSubmissionError, Refused, ServiceUnreachable, UnexpectedAnswer

BASE_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 10.0

TEMPORARY: Final = frozenset({408, 429, 502, 503, 504})
"""Statuses after which the same request may succeed; each is sent again under the same Idempotency-Key."""

FINAL: Final = frozenset({"QuotaExceeded", "DeadlineExceeded", "LogsUnavailable"})
"""Reasons of such a status that do not change: outcomes, and a node that is not asked twice by itself."""


def is_temporary(error: JobSubmissionError) -> bool:
    """Tell whether the same request may succeed later."""
    if isinstance(error, Refused):
        return error.status in TEMPORARY and error.reason not in FINAL
    if isinstance(error, UnexpectedAnswer):
        return error.status in TEMPORARY
    return isinstance(error, ServiceUnreachable)


def pause(attempt: int, retry_after: float | None = None, *, chance: Callable[[], float] = random.random) -> float:
    """Return how many seconds to wait after the `attempt`-th failure, counted from 0.

    Exponential back-off, capped, with full jitter; never sooner than the service asked for with `Retry-After`.
    """
    jittered = chance() * min(LONGEST_SECONDS, BASE_SECONDS * 2.0 ** min(attempt, 10))
    return max(jittered, retry_after or 0.0)
