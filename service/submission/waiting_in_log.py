"""Why a submission has no outcome yet: where it stands on the topic, and what its consumer says of itself. Pure.

The causes of the stage `log`. A consumer says what keeps it from working in the metadata of its commits (`Trouble`),
which the ingress reads together with the committed offset: it needs no other way to ask a consumer.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from service.submission.job_events import Waiting
from service.submission.waiting_causes import CAUSES


class Trouble(StrEnum):
    """What keeps a consumer from working, as it stands in the metadata of its commits: words that never change."""

    NONE = ""
    PAUSED = "paused"
    """The operator's switch is on."""
    STOPPED = "stopped"
    """It has stopped itself: too many dead letters."""
    UNREACHABLE = "unreachable"
    """The API server is gone."""
    THROTTLED = "throttled"
    """The API server has refused requests of late as too many (429)."""


class Place(NamedTuple):
    """Where a submission stands that has no outcome: `ahead` records of its partition, at most, are before it.

    `produced_at` is in milliseconds since the epoch. `is_read` tells whether a consumer has its partition, None where
    nobody knows. `trouble` is what that consumer said last.
    """

    ahead: int
    produced_at: int
    is_read: bool | None = None
    trouble: str = Trouble.NONE


_TOLD: Final = {
    Trouble.PAUSED: ("PartitionPaused", "the operator has paused the creation of Jobs"),
    Trouble.STOPPED: ("PartitionPaused", "its consumer has stopped after too many dead letters"),
    Trouble.UNREACHABLE: ("ServiceDegraded", "the cluster cannot be reached"),
    Trouble.THROTTLED: ("ApiThrottled", "the API server takes no more requests for now"),
}
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def why_on_the_topic(place: Place, now: int) -> Waiting:
    """Return why a submission is still on the topic at `now` (milliseconds)."""
    told = _TOLD.get(Trouble(place.trouble)) if place.trouble in set(Trouble) else None
    reason, begin = told or ("Queued", "")
    if place.is_read is False:  # then nobody knows whether what the last consumer said is still true
        reason, begin = "PartitionPaused", "no consumer reads its partition"
    cause = CAUSES[reason]
    before = "it is the next" if place.ahead == 0 else f"{place.ahead} before it"
    where = f"{before}, {_age(now - place.produced_at)} on the topic"
    return Waiting(
        reason=cause.reason,
        reason_class=cause.severity,
        sentence=f"{begin}; {where}" if begin else where,
        next=cause.next,
        since=place.produced_at,
        stage=cause.stage,
    )


def _age(milliseconds: int) -> str:
    seconds = max(0, milliseconds // 1000)
    size, unit = next((each for each in _UNITS if seconds >= 2 * each[0]), _UNITS[-1])
    return f"{seconds // size} {unit}"
