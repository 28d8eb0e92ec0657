"""`POST /api/job`: the body becomes a record on the topic, its outcome becomes the response.

Validates early, so that a bad request never reaches the topic; knows nothing of Kubernetes.
"""

import os
import time
from typing import Final

from aiohttp import web

from service.api import submissions
from service.api.request_headers import as_text, only, read_idempotency_key, read_prefer
from service.api.responses import json_response, outcome_response
from service.api.routes import BODY, PRINCIPAL, RIGHTS, SUBMISSION
from service.auth.rates import Rates
from service.auth.shares import Shares
from service.broker import BrokerUnavailable, Producer, RecordTooLarge
from service.settings import Settings
from service.spec.strict_json import read_document
from service.submission import rejections
from service.submission.identity import http_submission_id, job_name
from service.submission.outcomes import Outcome
from service.submission.record_headers import is_traceparent
from service.submission.records import Submission, submission_record
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.validation import JobSubmission, validate
from service.views.waiters import Waiters

PATHS: Final = ("/api/job", "/api/v1/job", "/api/v1/jobs")
"""The documented URL, and those of later editions of the API."""


class Submit:
    """Takes submissions."""

    def __init__(self, settings: Settings, producer: Producer, waiters: Waiters, metrics: Metrics) -> None:
        self._settings = settings.http
        self._limits = settings.limits
        self._topic = settings.topics.submissions
        self._producer = producer
        self._waiters = waiters
        self._places = Shares(settings.http.max_in_flight, "project")
        self._rates = Rates(settings.http.project_submissions_per_second, "project")
        metrics.in_flight.labels(role="ingress").set_function(lambda: self._places.taken)
        self._received = metrics.received.labels(via="http")

    async def post(self, request: web.Request) -> web.Response:
        """Answer 200 or a refusal with the outcome, 202 where there is none in time.

        Raises InvalidSubmission, SubmissionRejected.
        """
        principal = request[PRINCIPAL]
        body = request[BODY]
        job = validate(read_document(body), self._limits)
        await request[RIGHTS].require(job.project)
        self._rates.count(job.project)
        key = only("Idempotency-Key", request.headers.getall("Idempotency-Key", ()))
        key = read_idempotency_key(key and as_text(key))
        wait = read_prefer(
            ",".join(request.headers.getall("Prefer", ())),
            default=self._settings.wait_seconds,
            longest=self._settings.max_wait_seconds,
        )
        traceparent = request.headers.get("traceparent", "")
        correlation_id = os.urandom(16).hex()
        submission = Submission(
            id=http_submission_id(principal.user, job.project, key or correlation_id),
            has_own_id=True,
            body=body,
            user=principal.user,
            content_type="application/json",
            correlation_id=correlation_id,
            traceparent=traceparent if is_traceparent(traceparent) else None,
            received=time.time(),
        )
        request[SUBMISSION] = submission.id.key
        self._received.inc()
        with self._places.place(job.project):
            outcome = await self._outcome(submission, wait)
        return _accepted(submission, job) if outcome is None else outcome_response(outcome)

    async def _outcome(self, submission: Submission, wait: float) -> Outcome | None:
        """Produce the submission and wait for its outcome; None where it has not come within `wait` seconds."""
        if not self._waiters.ready:
            raise SubmissionRejected(
                rejections.not_accepted("the service is starting or cannot reach Kafka: nothing was accepted")
            )
        with self._waiters.expect(submission, wait) as answered:
            try:
                await self._producer.send(submission_record(submission, self._topic))
            except RecordTooLarge:
                raise SubmissionRejected(rejections.too_large("the submission is larger than Kafka takes")) from None
            except BrokerUnavailable as error:
                log.warning("submission-not-accepted", submission=submission.id.key, reason=str(error))
                raise SubmissionRejected(
                    rejections.maybe_accepted()
                    if error.maybe_written
                    else rejections.not_accepted(
                        "Kafka cannot take the submission: nothing was accepted; try again later"
                    )
                ) from None
            return await answered if wait else None


def _accepted(submission: Submission, job: JobSubmission) -> web.Response:
    body = {
        "status": 202,
        "message": "accepted; the outcome will be at the Location",
        "id": submission.id.key,
    }
    if job.name is None:
        body["name"] = job_name(job, submission.id)
    return json_response(202, body, {"Location": submissions.location(submission.id.key), "Retry-After": "1"})
