"""What is fuzzed: functions of bytes that nobody has looked at yet. Each returns, whatever it is given, or has a fault.

A refusal that is foreseen (`InvalidSubmission`, `UnreadableRecord`, `SubmissionRejected`) is a good end. What is
asserted beside that holds of every input. Records are written as their value, key and headers with `\\x1e` in between
and `\\x1f` between a header's name and value, so that a mutation of one leaves the others alone.
"""

import contextlib
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from service.api.job_query import read_cursor, read_old, read_page, read_stream
from service.api.request_headers import as_text, media_type, read_idempotency_key, read_prefer
from service.auth.signatures import Signatures
from service.auth.signing_keys import SigningKeys
from service.auth.tokens import TokenList
from service.auth.watched_file import UnreadableFile
from service.errors import MAX_FAULTS, InvalidSubmission, UnreadableRecord
from service.manifests.job import ManifestOptions, build, effect_warnings
from service.manifests.profiles import PROFILES
from service.spec.limits import Limits
from service.spec.log_request import read_log_request
from service.spec.strict_json import read_document
from service.submission import rejections
from service.submission.cancels import order_of, read_cancel, read_job_names, request_fingerprint
from service.submission.dead_letters import dead_letter_record, read_dead_letter, replayed_record, retry_record
from service.submission.identity import is_submission_key, job_name
from service.submission.job_events import job_event_document, job_event_record, read_job_event
from service.submission.outcomes import Outcome, outcome_record, read_outcome
from service.submission.records import NewRecord, Record, Submission, read_submission, submission_record
from service.submission.rejection import SubmissionRejected
from service.validation import validate
from service.worker.work_queue import read_work
from tests.signing import ED25519, SECRET, entry

LIMIT = 64 * 1024
LIMITS = Limits()
SIGNATURES: Any = Signatures(SimpleNamespace(content=None, usable=True))  # type: ignore[arg-type]
SIGNATURES.file.content = SigningKeys.read(
    json.dumps({"keys": [entry(SECRET, ["john"], ["team-a"]), entry(ED25519)]}).encode()
)
FORESEEN = (UnreadableRecord, SubmissionRejected, UnreadableFile)


def framed(record: Record | NewRecord) -> bytes:
    """Write a record as an input."""
    headers = [name.encode() + b"\x1f" + value for name, value in record.headers]
    return b"\x1e".join([record.value or b"", record.key or b"", *headers])


def unframed(octets: bytes, topic: str = "job-submissions") -> Record:
    """Return the record that an input is."""
    value, key, *headers = [*octets.split(b"\x1e"), b""][: max(2, octets.count(b"\x1e") + 1)]
    pairs = (header.partition(b"\x1f") for header in headers)
    read = tuple((name.decode("utf-8", "replace"), given) for name, _, given in pairs)
    return Record(topic, 3, 41, 1_760_000_000_123, key or None, value or None, read)


def body(octets: bytes) -> None:
    """The body of a POST: as the ingress reads it, then as the consumer makes a Job of it under each profile."""
    job = validate(read_document(octets), LIMITS)
    given = Submission(id=_ID, has_own_id=True, body=octets, received=0.0)
    name = job_name(job, given.id)
    assert 0 < len(name) <= 63
    for profile in PROFILES.values():
        made = build(
            job,
            id=given.id,
            name=name,
            namespace="runai-team-a",
            profile=profile,
            fingerprint=request_fingerprint(given, LIMIT),
            user=None,
            traceparent=None,
            options=ManifestOptions(),
        )
        json.dumps(made.job)
        effect_warnings(job, profile)


def record(octets: bytes) -> None:
    """A record of the submissions topic: read, ordered, verified, set aside and replayed, answered."""
    given = unframed(octets)
    work = read_work(given, LIMIT, lambda _, cancel: cancel)
    assert work.fault is None, work.fault
    submission = read_submission(given, LIMIT)
    assert is_submission_key(submission.id.key)
    assert is_submission_key(order_of(submission))
    fingerprint = request_fingerprint(submission, LIMIT)
    letter = dead_letter_record(given, "E", "m", "dead", 1)
    set_aside = Record("dead", 0, 0, 0, letter.key, letter.value, letter.headers)
    assert read_dead_letter(set_aside).original == given
    again = replayed_record(set_aside)
    assert retry_record(given, 1) == again
    if submission.identity_fault is None and len(given.headers) < 250:
        replayed = Record(again.topic, 5, 99, given.timestamp + 1, again.key, again.value, again.headers)
        assert read_submission(replayed, LIMIT).id == submission.id
    refused = (
        rejections.invalid_parameters(InvalidSubmission(submission.header_faults)) if submission.header_faults else None
    )
    outcome = Outcome.of(submission, fingerprint, refused or "job-1")
    written = outcome_record(outcome, "out", 0, 0.0)
    assert read_outcome(Record("out", 0, 0, 0, written.key, written.value, written.headers)).id == submission.id
    sent = submission_record(submission._replace(content_type="application/json"), "in")
    assert read_submission(Record("in", 0, 0, 0, sent.key, sent.value, sent.headers)).id == submission.id
    proven = SIGNATURES.proven(given, submission)
    assert proven.has_own_id
    assert proven.projects == (None if proven.user is None or proven.projects is None else ("team-a",))


def cancel(octets: bytes) -> None:
    """The value of a cancel, and the body of the old API's DELETE."""
    with contextlib.suppress(InvalidSubmission):
        read_job_names(octets)
    read = read_cancel(octets)
    assert is_submission_key(read.order)
    assert read_cancel(read.body()) == read


def event(octets: bytes) -> None:
    """A structured CloudEvent."""
    record(octets + b"\x1e\x1econtent-type\x1fapplication/cloudevents+json")


def query(octets: bytes) -> None:
    """The query of a request for a log, for the list of jobs, for events."""
    pairs = parse_qsl(octets.decode("latin-1"), keep_blank_values=True)
    for read in (
        read_log_request,
        read_page,
        lambda given: read_stream(given, read_cursor),
        lambda given: read_old(given, ("project",)),
    ):
        with contextlib.suppress(InvalidSubmission):
            read(pairs)


def headers(octets: bytes) -> None:
    """The headers of a request that are read beside aiohttp."""
    text = octets.decode("utf-8", "surrogateescape")
    assert 0 <= read_prefer(text, default=30, longest=120) <= 120
    media_type(text)
    read_idempotency_key(as_text(text))


def outcome(octets: bytes) -> None:
    """A record of the outcomes topic."""
    given = unframed(octets, "job-outcomes")
    read = read_outcome(given)
    again = outcome_record(read, "job-outcomes", 0, 0.0)
    assert read_outcome(Record("job-outcomes", 0, 0, 0, again.key, again.value, again.headers)) == read


def job_event(octets: bytes) -> None:
    """A record of the topic of jobs' events."""
    read = read_job_event(unframed(octets, "job-events"))
    if read is not None:
        json.loads(job_event_document(read, read.state.value()))
        again = job_event_record(read, "job-events", 0)
        assert read_job_event(Record("job-events", 0, 0, 0, again.key, again.value, again.headers)) == read


def credentials(octets: bytes) -> None:
    """A file of tokens, or of keys."""
    with contextlib.suppress(UnreadableFile):
        TokenList.read(octets)
    SigningKeys.read(octets)


_ID = read_submission(Record("in", 0, 0, 0, None, b"")).id
TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (body, record, cancel, event, query, headers, outcome, job_event, credentials)
}


def run(name: str, octets: bytes) -> None:
    """Give an input to a target. Raises what is a fault of this service, and nothing else."""
    try:
        TARGETS[name](octets)
    except InvalidSubmission as refused:
        count = len(refused.faults)
    except FORESEEN:
        return
    else:
        return
    assert 0 < count <= MAX_FAULTS + 1
