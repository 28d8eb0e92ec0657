"""What the first release has written is read by today's code: records, outcomes, dead letters and annotations.

The corpus was recorded with that release (`tests/upgrade/record.py`). Its topics and objects outlive an upgrade.
"""

import json
from typing import Any

import pytest

from service.cluster.job_facts import job_facts
from service.cluster.ownership import Holder, is_ours, same_submission
from service.submission.dead_letters import DeadLetter, read_dead_letter, replayed_record
from service.submission.identity import SubmissionId, fingerprint, generated_name
from service.submission.outcomes import read_outcome
from service.submission.records import NewRecord, Record, read_submission
from tests.unit.first_release_cases import BUSYBOX, FACTS, READ, TOLD
from tests.upgrade.record import CORPUS, TOPICS

RECORDED = json.loads(CORPUS.read_text())


def recorded(topic: str) -> list[Record]:
    def octets(text: str | None) -> bytes | None:
        return None if text is None else text.encode("latin-1")

    return [
        Record(
            topic,
            0,
            each["offset"],
            each["timestamp"],
            octets(each["key"]),
            octets(each["value"]),
            tuple((name, value.encode("latin-1")) for name, value in each["headers"]),
        )
        for each in RECORDED[topic]
    ]


SUBMISSIONS, OUTCOMES, DEAD_LETTERS = (recorded(topic) for topic in TOPICS)


def test_every_submission_is_read_as_it_was_meant():
    assert [read_submission(each) for each in SUBMISSIONS] == READ


def test_every_outcome_is_read_as_it_was_meant():
    assert [read_outcome(each) for each in OUTCOMES] == TOLD


def test_a_request_has_the_fingerprint_that_it_had():
    """A repetition after the upgrade would else be taken for another request under the same id (422)."""
    told = {(outcome.id, outcome.correlation_id): outcome.fingerprint for outcome in TOLD}
    read = {(each.id, each.correlation_id): fingerprint(each.body, 1024) for each in READ if not each.identity_fault}
    assert read == told


def test_a_submission_has_the_name_that_it_had():
    named = {each.id: each.name for each in TOLD if each.status == 200 and each.name != "given"}
    assert {identity: generated_name(None, identity) for identity in named} == named


def test_a_dead_letter_is_read_and_can_be_replayed():
    headers = (("ce_id", b""), ("correlation-id", b"nobody"), ("x", b"\xff"))
    original = Record(TOPICS[0], 0, 14, 1795705317154, b"k", BUSYBOX, headers)
    message = "header ce_id must be of 1 to 1024 bytes, not 0"
    (letter,) = DEAD_LETTERS
    assert read_dead_letter(letter) == DeadLetter(original, "UnreadableRecord", message, 1)
    attempts = ("kafka_deliveryAttempt", b"\0\0\0\1")
    assert replayed_record(letter) == NewRecord(TOPICS[0], 0, b"k", BUSYBOX, (*headers, attempts))


def made_by(kind: str) -> list[dict[str, Any]]:
    return [each for each in RECORDED["objects"] if each["kind"] == kind]


@pytest.mark.parametrize("kind", ["Job", "PersistentVolumeClaim", "Service", "Ingress"])
def test_an_object_is_known_as_its_submissions_and_as_ours(kind: str):
    by_key = {each.id.key: each for each in TOLD if each.status == 200}
    found = made_by(kind)
    assert found
    for each in found:
        metadata = each["metadata"]
        outcome = by_key[metadata["annotations"]["job-submission.io/submission-id"]]
        assert outcome.name in (metadata["name"], *(owner["name"] for owner in metadata.get("ownerReferences", ())))
        assert same_submission(metadata, outcome.id, outcome.fingerprint) is Holder.SAME
        assert same_submission(metadata, outcome.id, "0" * 64) is Holder.OTHER_BODY
        assert same_submission(metadata, SubmissionId("/another", "id"), outcome.fingerprint) is Holder.SOMEBODY_ELSES
        assert is_ours(metadata, "job-submission")
        assert is_ours(metadata, "whatever it is called today")


def test_the_watcher_knows_every_job():
    assert [job_facts(each) for each in made_by("Job")] == FACTS
