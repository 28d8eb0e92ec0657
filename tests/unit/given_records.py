"""Submissions and records that tests of reading and writing them share."""

from typing import Any

from hypothesis import strategies as st

from service.submission.identity import SubmissionId, record_id
from service.submission.records import (
    NewRecord,
    Record,
    Submission,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PRINT = "ab" * 32
ONE = SubmissionId("/api/job/users/john/projects/team-a", "k1")
BODY = b'{"job": {"project":"team-a",  "image":"busybox"}}\n'
FULL = Submission(
    id=ONE,
    has_own_id=True,
    body=BODY,
    received=1_760_000_000.123,
    user="jöhn",
    content_type="application/json",
    correlation_id="c-1",
    reply_topic="replies",
    reply_partition=7,
    traceparent=TRACE,
)
KNOWN = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "content-type",
    "ra-user",
    "correlation-id",
    "reply-topic",
    "reply-partition",
    "traceparent",
)
EVENT = b"application/cloudevents+json"
MEDIA_TYPES = (
    "must be application/json, where the value is the request body, or application/cloudevents+json, where the value "
    "is an event with the request body as its data"
)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=200)


def record(*headers: tuple[str, bytes], key: bytes | None = None, value: bytes | None = BODY) -> Record:
    return Record("job-submissions", 3, 41, 1_760_000_000_123, key, value, headers)


def plain(**changes: Any) -> Submission:
    given = {"id": record_id("job-submissions", 3, 41, 1_760_000_000_123), "has_own_id": False, "body": BODY}
    return Submission(**{**given, "received": 1_760_000_000.123, **changes})


def as_read(new: NewRecord, timestamp: int = 1_760_000_000_123) -> Record:
    return Record(new.topic, new.partition or 0, 5, timestamp, new.key, new.value, new.headers)
