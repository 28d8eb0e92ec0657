"""Why a submission is still on the topic: in one sentence with its place and age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.submission.waiting_causes import CAUSES
from service.submission.waiting_in_log import Place, Trouble, why_on_the_topic

NOW = 1_767_225_600_000
MINUTE = 60_000


@pytest.mark.parametrize(
    ("place", "reason", "sentence"),
    [
        (Place(0, NOW - 900), "Queued", "it is the next, 0 s on the topic"),
        (Place(12, NOW - 34_000, is_read=True), "Queued", "12 before it, 34 s on the topic"),
        (Place(1, NOW - 5 * MINUTE), "Queued", "1 before it, 5 min on the topic"),
        (Place(1, NOW - 3 * 60 * MINUTE), "Queued", "1 before it, 3 h on the topic"),
        (Place(1, NOW - 50 * 60 * MINUTE), "Queued", "1 before it, 2 d on the topic"),
        (Place(1, NOW + 5_000), "Queued", "1 before it, 0 s on the topic"),  # the brokers' clock may be ahead
        (
            Place(3, NOW, is_read=False),
            "PartitionPaused",
            "no consumer reads its partition; 3 before it, 0 s on the topic",
        ),
        (
            Place(3, NOW, trouble=Trouble.PAUSED),
            "PartitionPaused",
            "the operator has paused the creation of Jobs; 3 before it, 0 s on the topic",
        ),
        (
            Place(3, NOW, trouble=Trouble.STOPPED),
            "PartitionPaused",
            "its consumer has stopped after too many dead letters; 3 before it, 0 s on the topic",
        ),
        (
            Place(0, NOW, is_read=True, trouble=Trouble.UNREACHABLE),
            "ServiceDegraded",
            "the cluster cannot be reached; it is the next, 0 s on the topic",
        ),
        (
            Place(0, NOW, trouble=Trouble.THROTTLED),
            "ApiThrottled",
            "the API server takes no more requests for now; it is the next, 0 s on the topic",
        ),
        # who is gone says nothing true any more, and what another release says is not understood
        (
            Place(0, NOW, is_read=False, trouble=Trouble.UNREACHABLE),
            "PartitionPaused",
            "no consumer reads its partition; it is the next, 0 s on the topic",
        ),
        (Place(0, NOW, trouble="on strike"), "Queued", "it is the next, 0 s on the topic"),
    ],
)
def test_a_submission_on_the_topic_says_why_it_waits(place: Place, reason: str, sentence: str):
    cause, told = CAUSES[reason], why_on_the_topic(place, NOW)
    assert (told.reason, told.reason_class, told.next, told.stage) == (reason, cause.severity, cause.next, "log")
    assert (told.sentence, told.since, told.evidence) == (sentence, place.produced_at, ())


@given(st.integers(0, 2**63), st.integers(0, 2**53), st.none() | st.booleans(), st.sampled_from(Trouble) | st.text())
def test_whatever_is_known_a_short_sentence_says_it(ahead: int, produced_at: int, is_read: bool | None, trouble: str):
    told = why_on_the_topic(Place(ahead, produced_at, is_read, trouble), NOW)
    assert told.stage == CAUSES[told.reason].stage == "log"
    assert 0 < len(told.sentence) <= 120
