"""Kafka records to and from what they mean: submissions and outcomes.

The ingress writes submissions and reads outcomes, the consumer does the reverse. Anyone may produce to the topics, so
everything read here is a stranger's: a record yields what it says, or `UnreadableRecord`, and nothing else. Both are
CloudEvents 1.0 in the binary mode of the Kafka protocol binding: attributes are `ce_` headers, the value is the data.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from service.errors import Fault, UnreadableRecord
from service.submission.identity import SubmissionId, coordinates_id
from service.submission.record_headers import (
    MAX_HEADER_BYTES,
    HeaderReader,
    Headers,
    encoded,
    header,
    is_json,
    is_traceparent,
)

SUBMISSION_TYPE: Final = "io.job-submission.submission"
"""`ce_type` of the submissions that the ingress produces; a record of any other type is taken all the same."""

OUTCOME_TYPE: Final = "io.job-submission.outcome"
"""`ce_type` of outcomes."""

OUTCOME_SOURCE: Final = "/job-submission"
"""`ce_source` of outcomes."""

MAX_SOURCE_BYTES: Final = 4096
"""Longest `ce_source`: room for a user and a project that are percent-encoded."""

MAX_OUTCOME_BYTES: Final = 512 * 1024
"""Longest value of an outcome, well below a broker's default limit of a record (`message.max.bytes`, 1 MiB)."""

_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_PARTITION = re.compile(r"[0-9]{1,9}")
_STRUCTURED = re.compile(r"application/cloudevents", re.IGNORECASE)  # the envelope would be taken for the body
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_STATUS = re.compile(rb"[245][0-9]{2}")  # of outcomes: done, or refused


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

    `has_own_id` tells an id given by the producer from one made of the record's coordinates, `received` is in seconds
    since the epoch, `header_faults` are the headers that break their rule and count as absent.
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submission: the HTTP answer, and whom it is for.

    `conflict` marks the refusal (422) of a second request under an id that was used before; it must not displace the
    outcome of the first. `project` is for the log alone: None where it is not known, and no part of the record.
    """

    id: SubmissionId
    status: int
    body: dict[str, Any]
    fingerprint: str
    user: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    warnings: tuple[str, ...] = ()
    conflict: bool = False
    project: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str | None:
        """The name of the Job, if there is one."""
        name = self.body.get("name")
        return name if isinstance(name, str) else None

    @property
    def key(self) -> str:
        """The key of the outcome's record: the submission's, with the fingerprint appended for a conflict."""
        return f"{self.id.key}.{self.fingerprint}" if self.conflict else self.id.key


def _rfc3339(seconds: float) -> str:
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
            ("ce_type", SUBMISSION_TYPE),
            ("ce_time", _rfc3339(submission.received)),
            ("content-type", submission.content_type),
            ("ra-user", submission.user),
            ("correlation-id", submission.correlation_id),
            ("reply-topic", submission.reply_topic),
            ("reply-partition", None if partition is None else str(partition)),
            ("traceparent", submission.traceparent),
        )
    )
    return NewRecord(topic, None, submission.id.key.encode(), submission.body, headers)


def read_submission(record: Record) -> Submission:
    """Return what a record of the submissions topic says, whatever its bytes.

    Headers that break their rule are reported in `header_faults`. A record without `ce_id` is identified by its
    coordinates, one with `ce_id` alone gets its topic as source.
    Raises UnreadableRecord where the identity itself is broken, so that there is nothing to answer under.
    """
    headers = HeaderReader(record.headers)
    own_id = headers.identity("ce_id", MAX_HEADER_BYTES)
    source = headers.identity("ce_source", MAX_SOURCE_BYTES)
    if own_id is None:
        identity = coordinates_id(record.topic, record.partition, record.offset, record.timestamp)
    else:
        identity = SubmissionId(source or f"/topics/{record.topic}", own_id)

    version = headers.text("ce_specversion")
    if version not in (None, "1.0"):
        headers.fault("ce_specversion", "must be 1.0, the version of CloudEvents that is understood")
    content_type = headers.text("content-type")
    if content_type is not None and (not is_json(content_type) or _STRUCTURED.match(content_type)):
        headers.fault("content-type", "must be application/json: the value is the request body itself (binary mode)")
    reply_topic = headers.text("reply-topic")
    if reply_topic is not None and (not _TOPIC.fullmatch(reply_topic) or reply_topic in (".", "..")):
        headers.fault("reply-topic", "must be a topic's name: 1 to 249 letters, digits, dots, underscores and hyphens")
        reply_topic = None
    reply_partition = headers.text("reply-partition")
    if reply_partition is not None and not _PARTITION.fullmatch(reply_partition):
        headers.fault("reply-partition", "must be a partition's number in decimal digits")
        reply_partition = None
    traceparent = header(record.headers, "traceparent")
    trace = "" if traceparent is None else traceparent.decode("ascii", "replace")

    return Submission(
        id=identity,
        has_own_id=own_id is not None,
        body=record.value or b"",
        user=headers.text("ra-user"),
        content_type=content_type,
        correlation_id=headers.text("correlation-id"),
        reply_topic=reply_topic,
        reply_partition=None if reply_partition is None else int(reply_partition),
        traceparent=trace if is_traceparent(trace) else None,
        received=record.timestamp / 1000,
        header_faults=tuple(headers.faults),
    )


def outcome_record(outcome: Outcome, topic: str, partition: int | None, time: float) -> NewRecord:
    """Write an outcome; `time` is now in seconds since the epoch.

    Details too long for a record are left out, as an outcome that cannot be written would hold up its partition.
    """
    value = orjson.dumps(outcome.body)
    if len(value) > MAX_OUTCOME_BYTES:
        message = str(outcome.body.get("message", ""))[:MAX_HEADER_BYTES]
        details = f"left out: the whole answer has {len(value)} bytes, more than {MAX_OUTCOME_BYTES}"
        value = orjson.dumps({"status": outcome.status, "message": message, "details": details})
    headers = encoded(
        (
            ("status", str(outcome.status)),
            ("ce_specversion", "1.0"),
            ("ce_id", outcome.key),
            ("ce_source", OUTCOME_SOURCE),
            ("ce_type", OUTCOME_TYPE),
            ("ce_time", _rfc3339(time)),
            ("content-type", "application/json"),
            ("submission-source", outcome.id.source),
            ("submission-id", outcome.id.id),
            ("fingerprint", outcome.fingerprint),
            ("correlation-id", outcome.correlation_id),
            ("ra-user", outcome.user),
            ("traceparent", outcome.traceparent),
            ("warnings", "\n".join(warning.replace("\n", " ") for warning in outcome.warnings) or None),
        )
    )
    return NewRecord(topic, partition, outcome.key.encode(), value, headers)


def read_outcome(record: Record) -> Outcome:
    """Return the outcome a record holds; raises UnreadableRecord for anything this service would not have written."""
    values = dict(record.headers)
    try:
        source, own_id, fingerprint = (
            values[n].decode() for n in ("submission-source", "submission-id", "fingerprint")
        )
        user, correlation_id, traceparent, warnings = (
            values[name].decode("utf-8", "surrogateescape") if name in values else None
            for name in ("ra-user", "correlation-id", "traceparent", "warnings")
        )
        body = orjson.loads(record.value or b"")
        status = values["status"]
    except KeyError as error:
        raise UnreadableRecord(f"an outcome without the header {error.args[0]}") from None
    except ValueError as error:
        raise UnreadableRecord(f"an outcome that cannot be read: {error}") from None
    if not (isinstance(body, dict) and _STATUS.fullmatch(status) and _FINGERPRINT.fullmatch(fingerprint)):
        raise UnreadableRecord("an outcome whose body, status or fingerprint is none")
    identity = SubmissionId(source, own_id)
    outcome = Outcome(
        id=identity,
        status=int(status),
        body=body,
        fingerprint=fingerprint,
        user=user,
        correlation_id=correlation_id,
        traceparent=traceparent,
        warnings=tuple(warnings.split("\n")) if warnings else (),
        conflict=record.key != identity.key.encode(),
    )
    if record.key != outcome.key.encode():
        raise UnreadableRecord("an outcome whose key is not that of its submission")
    return outcome
