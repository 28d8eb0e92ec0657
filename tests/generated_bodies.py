"""Valid requests for a job, generated: combinations of what the rules accept."""

import random
from collections.abc import Iterator
from typing import Any

from service.errors import InvalidSubmission
from service.spec.limits import Limits
from service.validation import validate
from tests.unit.validation_cases import ACCEPTED

ROWS = [job for rows in ACCEPTED.values() for job, _ in rows]


def valid_jobs(project: str, count: int, seed: int, more: tuple[dict[str, Any], ...] = ()) -> Iterator[dict[str, Any]]:
    """Return `count` jobs of a project that are valid; some have parameters of `more`."""
    chance = random.Random(seed)
    found = 0
    while found < count:
        job: dict[str, Any] = {"image": "busybox"}
        for _ in range(chance.randint(0, 5)):
            job |= chance.choice(ROWS)
        if more and chance.random() < 0.5:
            job |= chance.choice(more)
        job["project"] = project
        try:
            validate({"job": job}, Limits())
        except InvalidSubmission:
            continue
        found += 1
        yield job
