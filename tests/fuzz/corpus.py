"""What the fuzzer starts from: for each target inputs that mean something."""

import json

from service.api.job_query import write_cursor
from service.submission.dead_letters import dead_letter_record
from service.submission.job_events import job_event_record
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import CANCEL_TYPE, submission_record
from tests.fuzz.targets import framed
from tests.signing import ED25519, SECRET, entry, signed
from tests.unit.given_records import FULL, as_read, record
from tests.unit.job_events import job_event
from tests.unit.manifest_cases import CASES

JOB = {"project": "team-a", "image": "quickstart"}
BODY = json.dumps({"job": JOB}).encode()
CANCELS = [
    b'{"cancel":{"project":"team-a","name":"x"}}',
    b'{"cancel":{"submission":"' + b"a" * 52 + b'"}}',
    b'[{"project":"team-a","name":"x"},{"project":"b","name":"y"}]',
]
EVENT = json.dumps(
    {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"job": JOB}, "traceparent": "x"}
).encode()
NAMED = record(("ce_id", b"1"), ("ce_source", b"/train"), ("ra-user", b"john"), value=BODY)
TAKEN_BACK = record(("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", CANCEL_TYPE.encode()), value=CANCELS[0])

CORPUS: dict[str, list[bytes]] = {
    "body": [json.dumps({"job": {**JOB, **case[0]}}).encode() for cases in CASES.values() for case in cases],
    "record": [
        *(framed(each) for each in (record(), NAMED, signed(NAMED), signed(NAMED, ED25519), signed(TAKEN_BACK))),
        framed(submission_record(FULL, "in")),
        framed(dead_letter_record(NAMED, "E", "m", "dead", 2)),
        framed(
            record(("dry-run", b"true"), ("reply-topic", b"mine"), ("reply-partition", b"1"), ("Idempotency-Key", b"k"))
        ),
    ],
    "cancel": CANCELS,
    "event": [EVENT, EVENT.replace(b'"data": {"job"', b'"data_base64": "eyJqb2Ii", "x": {"job"')],
    "query": [
        b"follow=true&tailLines=10&sinceSeconds=5&timestamps=1&pod=a&container=b&previous=false",
        b"project=a&project=b&state=Running&user=john&limit=5&name=x*&deleted=only&since=2026-01-01T00:00:00Z",
        b"continue=" + write_cursor((1, 2, 3)).encode(),  # type: ignore[arg-type] # a position is a tuple of integers
    ],
    "headers": [
        b'respond-async, wait="5"; foo=bar',
        b"wait=10",
        b'"a \\" key"',
        b"application/json; charset=utf-8",
        "kéy".encode("latin-1"),
    ],
    "outcome": [
        framed(outcome_record(Outcome.of(FULL, "ab" * 32, "job-1", warnings=("w",), project="team-a"), "out", 0, 0.0)),
        framed(outcome_record(Outcome.of(FULL, "ab" * 32, {"submission": "x"}, is_aside=True), "out", 0, 0.0)),
    ],
    "job_event": [framed(job_event_record(job_event(1), "job-events", 0))],
    "credentials": [
        json.dumps({"tokens": [{"sha256": "ab" * 32, "user": "john", "projects": ["*"]}]}).encode(),
        json.dumps({"keys": [entry(SECRET, ["john"], ["team-a"]), entry(ED25519, sources=["/x"])]}).encode(),
    ],
}
assert as_read(submission_record(FULL, "in"))
TOKENS = sorted(
    {
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\u0000",
        b"\\ud800",
        b"null",
        b"-0",
        b"1e999",
        b"9" * 20,
        b"\xff",
        b"\x00",
    }
    | {
        b"\x1e",
        b"\x1f",
        b"true",
        b"\n",
        b"%00",
        b"&",
        b"=",
        b"=" * 3,
        b".",
        b"..",
        "ß".encode(),
        b"[" * 70,
        b"A" * 1100,
    }
)
"""What parsers stumble over, put into inputs whole."""
