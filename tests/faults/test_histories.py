"""What is wrong with the events of jobs is found, and nothing where each has its one end."""

import pytest

from service.submission.job_events import EventKind, JobEvent, Phase
from tests.faults.histories import all_deleted, untold
from tests.faults.ledger import uid_of
from tests.unit.job_events import job_event

CREATED = job_event(1, 1, kind=EventKind.CREATED, phase=Phase.PENDING)
RUNNING = job_event(1, 2)
ENDED = job_event(1, 3, kind=EventKind.SUCCEEDED, phase=Phase.SUCCEEDED)
COLLECTED = job_event(1, 4, kind=EventKind.DELETED, phase=Phase.SUCCEEDED)
CUT_OFF = job_event(1, 3, kind=EventKind.DELETED, phase=Phase.DELETED)
AGAIN = job_event(1, 4, kind=EventKind.FAILED, phase=Phase.FAILED)
OTHERWISE = job_event(1, 3, kind=EventKind.FAILED, phase=Phase.FAILED)


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([CREATED, RUNNING, ENDED, COLLECTED], []),
        ([CREATED, RUNNING, CUT_OFF], []),
        ([CREATED, CREATED, RUNNING, ENDED, ENDED, COLLECTED], []),
        ([CREATED, RUNNING, ENDED, RUNNING, ENDED, COLLECTED], []),
        (
            [CREATED, RUNNING],
            [
                "uid-1: 0 ends: ['created', 'running']",
                "uid-1: not from its creation to its deletion: ['created', 'running']",
            ],
        ),
        (
            [CREATED, RUNNING, ENDED, AGAIN, job_event(1, 5, kind=EventKind.DELETED, phase=Phase.FAILED)],
            ["uid-1: 2 ends: ['created', 'running', 'succeeded', 'failed', 'deleted']"],
        ),
        ([CREATED, RUNNING, ENDED, OTHERWISE, COLLECTED], ["uid-1: one id for two events"]),
        ([RUNNING, CREATED, ENDED, COLLECTED], ["uid-1: out of order: [2, 1, 3, 4]"]),
        ([CREATED, ENDED, COLLECTED], ["uid-1: with gaps: [1, 3, 4]"]),
        (
            [CREATED, RUNNING, ENDED],
            ["uid-1: not from its creation to its deletion: ['created', 'running', 'succeeded']"],
        ),
    ],
)
def test_the_events_of_a_job(events: list[JobEvent], wrong: list[str]) -> None:
    assert untold({"uid-1": events}, {"uid-1"}) == wrong


def test_a_job_that_must_have_been_seen_has_events() -> None:
    assert untold({"uid-1": [CREATED, RUNNING, CUT_OFF]}, {"uid-1", "uid-2"}) == ["uid-2: no event"]


@pytest.mark.parametrize(
    ("events", "uids", "done"),
    [
        ([CREATED, RUNNING, CUT_OFF], ["uid-1"], True),
        ([CREATED, RUNNING, CUT_OFF], [], True),
        ([CREATED, RUNNING, ENDED], [], False),
        ([CREATED, RUNNING, CUT_OFF], ["uid-1", "uid-2"], False),
    ],
)
def test_events_have_come_to_the_deletion_of_all_jobs(events: list[JobEvent], uids: list[str], done: bool) -> None:
    assert all_deleted({"uid-1": events}, uids) == done


def test_a_uid_is_found_in_a_stored_object() -> None:
    stored = b'k8s\x00\n\x0fjob-a\x12\x00\x1a\x02r1"\x00*$6ba7b810-9dad-11d1-80b4-00c04fd430c82\x00'
    assert uid_of(stored) == "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
