"""Outcomes: what became of a submission, and the records of the outcomes topic that say it.

The consumer writes them, the ingress and whoever produced the submission read them. What is read is untrusted: a
record yields an outcome that this service could have written, or `UnreadableRecord`. CloudEvents 1.0, binary mode.
"""

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Self

import orjson

from service.errors import UnreadableRecord
from service.submission.identity import SubmissionId, is_submission_key, project_of_post
from service.submission.record_headers import MAX_HEADER_BYTES, encoded
from service.submission.records import NewRecord, Record, Submission, rfc3339
from service.submission.rejection import Rejection

OUTCOME_TYPE: Final = "io.job-submission.outcome"
"""`ce_type` of outcomes."""

OUTCOME_SOURCE: Final = "/job-submission"
"""`ce_source` of outcomes."""

MAX_OUTCOME_BYTES: Final = 512 * 1024
"""Longest value of an outcome, well below a broker's default limit of a record (`message.max.bytes`, 1 MiB)."""

_KEY_HEADER: Final = "submission-key"

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_STATUS = re.compile(rb"[245][0-9]{2}")  # of outcomes: done, or refused


class UnseenId(NamedTuple):
    """The identity of a submission of which nothing but its `key` is known: it was cancelled before it came."""

    key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submission: status and body of the HTTP response, and whom it is for.

    `is_aside` marks an answer that does not decide what becomes of the id: to a second request under an id used before
    (422), to a record too old to tell whether it was done (410), to a dry run. It is written under a key of its own
    beside the id's, so that it never displaces the outcome of the id. `project` is None where it is not known.
    """

    id: SubmissionId | UnseenId
    status: int
    body: dict[str, Any]
    fingerprint: str
    user: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    warnings: tuple[str, ...] = ()
    is_aside: bool = False
    project: str | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        submission: Submission,
        fingerprint: str,
        answer: str | Rejection | dict[str, Any],
        *,
        warnings: tuple[str, ...] = (),
        is_aside: bool = False,
        project: str | None = None,
    ) -> Self:
        """Return the outcome of a submission: the name of its Job, its rejection, or another body of success."""
        status: int = HTTPStatus.OK
        if isinstance(answer, Rejection):
            status, body = answer.status, answer.body()
        else:
            body = {"name": answer} if isinstance(answer, str) else answer
        return cls(
            id=submission.id,
            status=status,
            body=body,
            fingerprint=fingerprint,
            user=submission.user,
            correlation_id=submission.correlation_id,
            traceparent=submission.traceparent,
            warnings=(*submission.warnings, *warnings),
            is_aside=is_aside,
            project=project,
        )

    @property
    def name(self) -> str | None:
        """The name of the Job, if there is one."""
        name = self.body.get("name")
        return name if isinstance(name, str) else None

    @property
    def key(self) -> str:
        """The key of the outcome's record: the submission's, with the fingerprint appended where it `is_aside`."""
        return aside_key(self.id.key, self.fingerprint) if self.is_aside else self.id.key


def project_of(outcome: Outcome) -> str | None:
    """Return the project of an outcome's submission: what the outcome says, or the id of a POST; None where neither."""
    of_post = project_of_post(outcome.id) if isinstance(outcome.id, SubmissionId) else None
    return outcome.project or of_post


def aside_key(key: str, fingerprint: str) -> str:
    """Return the key of a refusal that `is_aside`, of a request with this fingerprint."""
    return f"{key}.{fingerprint}"


def outcome_record(outcome: Outcome, topic: str, partition: int | None, time: float) -> NewRecord:
    """Write an outcome; `time` is now in seconds since the epoch.

    Details too long for a record are left out, as an outcome that cannot be written would hold up its partition.
    """
    value = orjson.dumps(outcome.body)
    if len(value) > MAX_OUTCOME_BYTES:
        message = str(outcome.body.get("message", ""))[:MAX_HEADER_BYTES]
        details = f"left out: the whole answer has {len(value)} bytes, more than {MAX_OUTCOME_BYTES}"
        value = orjson.dumps({**outcome.body, "message": message, "details": details})
    headers = encoded(
        (
            ("status", str(outcome.status)),
            ("ce_specversion", "1.0"),
            ("ce_id", outcome.key),
            ("ce_source", OUTCOME_SOURCE),
            ("ce_type", OUTCOME_TYPE),
            ("ce_time", rfc3339(time)),
            ("content-type", "application/json"),
            *_identity_headers(outcome.id),
            ("project", outcome.project),
            ("fingerprint", outcome.fingerprint),
            ("correlation-id", outcome.correlation_id),
            ("ra-user", outcome.user),
            ("traceparent", outcome.traceparent),
            ("warnings", "\n".join(warning.replace("\n", " ") for warning in outcome.warnings) or None),
        )
    )
    return NewRecord(topic, partition, outcome.key.encode(), value, headers)


def _identity_headers(identity: SubmissionId | UnseenId) -> tuple[tuple[str, str], ...]:
    if isinstance(identity, UnseenId):
        return ((_KEY_HEADER, identity.key),)
    return (("submission-source", identity.source), ("submission-id", identity.id))


def _identity(values: dict[str, bytes]) -> SubmissionId | UnseenId:
    key = values.get(_KEY_HEADER, b"").decode()
    if is_submission_key(key):
        return UnseenId(key)
    return SubmissionId(values["submission-source"].decode(), values["submission-id"].decode())


def read_outcome(record: Record) -> Outcome:
    """Return the outcome a record holds; raises UnreadableRecord for anything this service would not have written."""
    values = dict(record.headers)
    try:
        identity, fingerprint = _identity(values), values["fingerprint"].decode()
        user, correlation_id, traceparent, warnings, project = (
            values[name].decode("utf-8", "surrogateescape") if name in values else None
            for name in ("ra-user", "correlation-id", "traceparent", "warnings", "project")
        )
        body = orjson.loads(record.value or b"")
        status = values["status"]
    except KeyError as error:
        raise UnreadableRecord(f"an outcome without the header {error.args[0]}") from None
    except ValueError as error:
        raise UnreadableRecord(f"an outcome that cannot be read: {error}") from None
    if not (isinstance(body, dict) and _STATUS.fullmatch(status) and _FINGERPRINT.fullmatch(fingerprint)):
        raise UnreadableRecord("an outcome whose body, status or fingerprint is none")
    outcome = Outcome(
        id=identity,
        status=int(status),
        body=body,
        fingerprint=fingerprint,
        user=user,
        correlation_id=correlation_id,
        traceparent=traceparent,
        warnings=tuple(warnings.split("\n")) if warnings else (),
        is_aside=record.key != identity.key.encode(),
        project=project,
    )
    if record.key != outcome.key.encode():
        raise UnreadableRecord("an outcome whose key is not that of its submission")
    return outcome
