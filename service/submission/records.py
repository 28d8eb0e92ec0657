"""Kafka records, and what those of the submissions topic say.

The ingress writes submissions, the consumer reads them. Anyone may produce to the topic, so everything read here is
untrusted: any record yields a submission, with what is wrong with it. Records are CloudEvents 1.0 in the Kafka protocol
binding: in binary mode attributes are `ce_` headers and the value is the data; for structured mode see `cloud_events`.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from service.errors import Fault, UnreadableRecord
from service.submission.cloud_events import VERSION, Event, is_other_event_format, is_structured, read_event
from service.submission.identity import SubmissionId, record_id
from service.submission.record_headers import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    HeaderReader,
    Headers,
    encoded,
    is_json,
    is_traceparent,
)

SUBMISSION_TYPE: Final = "io.job-submission.submission"
"""`ce_type` of the submissions that the ingress produces; a record of any other type but a cancel's is one as well."""

CANCEL_TYPE: Final = "io.job-submission.cancel"
"""`ce_type` of cancels, see `cancels`."""

MAX_SOURCE_BYTES: Final = 4096
"""Longest `ce_source`: room for a user and a project that are percent-encoded."""

_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_PARTITION = re.compile(r"[0-9]{1,9}")


class Record(NamedTuple):
    """A record as read; `timestamp` in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class NewRecord(NamedTuple):
    """A record to be produced; without a partition the key chooses it."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers


class Submission(NamedTuple):
    """What a record of the submissions topic says.

    `has_own_id` tells an id given by the producer from one made of the record's offset, `received` is in seconds since
    the epoch. `header_faults` are the headers that break their rule and count as absent; `identity_fault` says why the
    identity that the producer gave cannot be read, where that is so: then `id` is made of the offset. `excess` says of
    what there is so much that the record was not read whole. `warnings` name headers that look like ours and are not.
    A cancel takes another submission back, see `cancels`; a dry run asks what would become of it. `signature` is what
    the record has as one, which nobody has verified yet; `projects` are patterns of those that whoever signed it may
    speak for, None where anybody may speak for all.
    """

    id: SubmissionId
    has_own_id: bool
    body: bytes
    received: float
    user: str | None = None
    content_type: str | None = None
    correlation_id: str | None = None
    reply_topic: str | None = None
    reply_partition: int | None = None
    traceparent: str | None = None
    header_faults: tuple[Fault, ...] = ()
    identity_fault: str | None = None
    excess: str | None = None
    warnings: tuple[str, ...] = ()
    is_cancel: bool = False
    is_dry_run: bool = False
    signature: str | None = None
    projects: tuple[str, ...] | None = None


def rfc3339(seconds: float) -> str:
    """Write a time in seconds since the epoch as CloudEvents want it (RFC 3339), to the millisecond."""
    whole, milliseconds = divmod(round(seconds * 1_000_000) // 1000, 1000)
    return f"{_rfc3339_second(whole)}.{milliseconds:03d}Z"


@lru_cache(16)
def _rfc3339_second(seconds: int) -> str:
    # kept for the records of the same second
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def submission_record(submission: Submission, topic: str) -> NewRecord:
    """Write a submission for `topic`: the body byte for byte, keyed so that duplicates meet in a partition."""
    partition = submission.reply_partition
    headers = encoded(
        (
            ("ce_specversion", "1.0"),
            ("ce_id", submission.id.id),
            ("ce_source", submission.id.source),
            ("ce_type", CANCEL_TYPE if submission.is_cancel else SUBMISSION_TYPE),
            ("ce_time", rfc3339(submission.received)),
            ("content-type", submission.content_type),
            ("ra-user", submission.user),
            ("correlation-id", submission.correlation_id),
            ("reply-topic", submission.reply_topic),
            ("reply-partition", None if partition is None else str(partition)),
            ("traceparent", submission.traceparent),
            ("dry-run", "true" if submission.is_dry_run else None),
        )
    )
    return NewRecord(topic, None, submission.id.key.encode(), submission.body, headers)


def read_submission(record: Record, max_body_bytes: int | None = None) -> Submission:
    """Return what a record of the submissions topic says, whatever its bytes; never raises.

    Headers and attributes that break their rule are reported in `header_faults`. A record without an id is identified
    by its offset, one with an id alone gets its topic as source. Of more than MAX_HEADERS headers the rest is not read,
    nor an id. An event in structured mode whose value is longer than `max_body_bytes` is not opened: its whole value is
    the body.
    """
    headers = HeaderReader(record.headers)
    content_type = headers.text("content-type")
    body, event, identity_fault = record.value or b"", None, None
    excess = _excess(record, max_body_bytes)
    own_id = source = None
    try:
        if is_structured(content_type) and excess is None:
            event = read_event(body, MAX_HEADER_BYTES, MAX_SOURCE_BYTES)
        if len(record.headers) <= MAX_HEADERS:
            own_id, source = _identity(headers, event)
    except UnreadableRecord as error:
        identity_fault = str(error)
    if own_id is None:
        identity = record_id(record.topic, record.partition, record.offset, record.timestamp)
    else:
        identity = SubmissionId(source or f"/topics/{record.topic}", own_id)

    version = headers.text("ce_specversion")
    if version not in (None, VERSION):
        headers.fault("ce_specversion", "must be 1.0, the version of CloudEvents that is understood")
    if content_type is not None and (not is_json(content_type) or is_other_event_format(content_type)):
        headers.fault(
            "content-type",
            "must be application/json, where the value is the request body, or application/cloudevents+json, where the "
            "value is an event with the request body as its data",
        )
    is_cancel = CANCEL_TYPE in (headers.optional("ce_type"), event.type if event else None)
    dry_run = headers.text("dry-run")
    if dry_run not in (None, "true", "false") or (dry_run == "true" and is_cancel):
        headers.fault("dry-run", "must be true or false, and true not for a cancel")
    reply_topic = headers.text("reply-topic")
    if reply_topic is not None and (not _TOPIC.fullmatch(reply_topic) or reply_topic in (".", "..")):
        headers.fault("reply-topic", "must be a topic's name: 1 to 249 letters, digits, dots, underscores and hyphens")
        reply_topic = None
    reply_partition = headers.text("reply-partition")
    if reply_partition is not None and not _PARTITION.fullmatch(reply_partition):
        headers.fault("reply-partition", "must be a partition's number in decimal digits")
        reply_partition = None
    trace = headers.optional("traceparent") or (event.traceparent if event else None) or ""

    return Submission(
        id=identity,
        has_own_id=own_id is not None,
        body=event.data if event else body,
        user=headers.text("ra-user"),
        content_type=content_type,
        correlation_id=headers.text("correlation-id"),
        reply_topic=reply_topic,
        reply_partition=None if reply_partition is None else int(reply_partition),
        traceparent=trace if is_traceparent(trace) else None,
        received=record.timestamp / 1000,
        header_faults=(*(event.faults if event else ()), *headers.faults),
        identity_fault=identity_fault,
        excess=excess,
        warnings=headers.warnings(),
        is_cancel=is_cancel,
        is_dry_run=dry_run not in (None, "false"),
        signature=headers.optional("signature"),
    )


def _excess(record: Record, max_body_bytes: int | None) -> str | None:
    """Say of what a record has too much, if of anything."""
    if len(record.headers) > MAX_HEADERS:
        return f"the record has more than {MAX_HEADERS} headers"
    if max_body_bytes is not None and len(record.value or b"") > max_body_bytes:
        return f"the body is larger than {max_body_bytes} bytes"
    return None


def _identity(headers: HeaderReader, event: Event | None) -> tuple[str | None, str | None]:
    """Return the id and source that a record brings along; raises UnreadableRecord where nobody could tell which.

    `Idempotency-Key`, as an HTTP client would send it, stands for `ce_id`. The source of an event without an id is no
    part of the identity that the headers give it, as on its way back after a crash.
    """
    own_id = headers.identity("ce_id", MAX_HEADER_BYTES)
    source = headers.identity("ce_source", MAX_SOURCE_BYTES)
    key = headers.identity("idempotency-key", MAX_HEADER_BYTES)
    if event is None and key is None:
        return own_id, source  # as in nearly all records
    ids = {each for each in (own_id, key, event.id if event else None) if each is not None}
    of_event = event.source if event and (event.id is not None or source is None) else None
    sources = {each for each in (source, of_event) if each is not None}
    if len(ids) > 1:
        raise UnreadableRecord("the record has several ids: ce_id, Idempotency-Key and the event's id must be the same")
    if len(sources) > 1:
        raise UnreadableRecord("the record has several sources: ce_source and the event's source must be the same")
    return next(iter(ids), None), next(iter(sources), None)
