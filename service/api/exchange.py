"""Writes a record to the topic and waits for its outcome: what a POST and a DELETE have in common."""

import os
import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from service.api import submissions
from service.api.request_headers import as_text, only, read_idempotency_key, read_prefer
from service.api.responses import json_response
from service.auth.signatures import Signer
from service.broker import BrokerUnavailable, Producer, RecordTooLarge
from service.settings import HttpSettings
from service.submission import rejections
from service.submission.identity import SubmissionId
from service.submission.outcomes import Outcome
from service.submission.record_headers import is_traceparent
from service.submission.records import NewRecord, Submission
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log
from service.telemetry.repetitions import Repetitions
from service.views.waiters import Waiters

ACCEPTED: Final = "accepted; the outcome will be at the Location"


class Exchange:
    """The way to the consumers and back."""

    def __init__(self, settings: HttpSettings, producer: Producer, waiters: Waiters, signer: Signer | None) -> None:
        self._signer = signer
        self._settings = settings
        self._producer = producer
        self._waiters = waiters
        self._repetitions = Repetitions()

    def wait_of(self, request: web.Request) -> float:
        """Return the seconds that a client waits for an outcome, as it says with `Prefer`."""
        return read_prefer(
            ",".join(request.headers.getall("Prefer", ())),
            default=self._settings.wait_seconds,
            longest=self._settings.max_wait_seconds,
        )

    async def outcome(self, record: NewRecord, submission: Submission, wait: float) -> Outcome | None:
        """Write the record of a submission or a cancel; return its outcome, None where there is none in `wait` seconds.

        Raises SubmissionRejected.
        """
        if not self._waiters.ready:
            raise SubmissionRejected(
                rejections.not_accepted("the service is starting or cannot reach Kafka: nothing was accepted")
            )
        if self._signer is not None:  # by the brokers' clock, as this one may be wrong
            now = self._producer.clock.now_ms()
            record = self._signer.signed(record, submission, submission.received if now is None else now / 1000)
        with self._waiters.expect(submission, wait) as answered:
            try:
                await self._producer.send(record)
            except RecordTooLarge:
                raise SubmissionRejected(rejections.too_large("the submission is larger than Kafka takes")) from None
            except BrokerUnavailable as error:
                self._note_failure(submission, str(error))
                raise SubmissionRejected(
                    rejections.maybe_accepted()
                    if error.maybe_written
                    else rejections.not_accepted(
                        "Kafka cannot take the submission: nothing was accepted; try again later"
                    )
                ) from None
            return await answered if wait else None

    def _note_failure(self, submission: Submission, reason: str) -> None:
        """Log why a submission was not accepted, once in a while for each reason: in an outage it is that of all."""
        suppressed = self._repetitions.count(reason)
        if suppressed is not None:
            key = submission.id.key
            log.warning("submission-not-accepted", submission=key, reason=reason, suppressed=suppressed or None)


def key_of(request: web.Request) -> str | None:
    """Return the `Idempotency-Key` of a request, if it has one. Raises InvalidSubmission."""
    key = only("Idempotency-Key", request.headers.getall("Idempotency-Key", ()))
    return read_idempotency_key(key and as_text(key))


def new_correlation_id() -> str:
    """Return a text that nobody can guess, by which the outcome of a request is known."""
    return os.urandom(16).hex()


def submission_of(
    request: web.Request, identity: SubmissionId, user: str, body: bytes, correlation_id: str
) -> Submission:
    """Return what a request asks for, as it goes to the topic."""
    traceparent = request.headers.get("traceparent", "")
    return Submission(
        id=identity,
        has_own_id=True,
        body=body,
        user=user,
        content_type="application/json",
        correlation_id=correlation_id,
        traceparent=traceparent if is_traceparent(traceparent) else None,
        received=time.time(),
    )


def accepted(submission: Submission, more: Mapping[str, str]) -> web.Response:
    """Return the answer to a request whose outcome is still to come; `more` is added to its body."""
    body = {"status": 202, "message": ACCEPTED, "id": submission.id.key, **more}
    return json_response(202, body, {"Location": submissions.location(submission.id.key), "Retry-After": "1"})
