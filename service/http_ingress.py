"""The HTTP door: the documented POST becomes a record, its outcome becomes the response.

Knows nothing of Kubernetes: it validates early so that a bad request never reaches the topic, produces, and waits for
the outcome that a consumer writes. Every answer of the design's table that this side can give is given here.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

from aiohttp import web

from service.api.request_headers import read_idempotency_key, read_prefer
from service.api.responses import error_response, json_response, outcome_response, unknown_submission
from service.auth.principal import Principal
from service.auth.tokens import TokenList, authenticate
from service.broker import BrokerUnavailable, Producer, RecordTooLarge
from service.errors import Fault, InvalidSubmission
from service.settings import Settings
from service.spec.strict_json import read_document
from service.submission import rejections
from service.submission.identity import http_submission_id, is_submission_key, job_name
from service.submission.outcomes import Outcome
from service.submission.records import Submission, submission_record
from service.submission.rejections import Rejection, SubmissionRejected
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.validation import JobSubmission, validate
from service.views.duplicates import DuplicateWindow
from service.views.pending import PendingSubmissions
from service.views.waiters import Waiters

SUBMIT_PATHS = ("/api/job", "/api/v1/job", "/api/v1/jobs")
STATUS_PATH = "/api/submissions/"
USAGE = f"POST a job to {' or '.join(SUBMIT_PATHS)}, GET what became of it from {STATUS_PATH}<id>"
NOT_ACCEPTED = "Kafka cannot take the submission: nothing was accepted; try again later"
FOLLOW_SECONDS = 0.1
"""How far the reader of the outcomes may be behind a commit."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpIngress:
    """The request handlers; `app()` is what a server runs."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        replies: Waiters,
        window: DuplicateWindow,
        backlog: PendingSubmissions,
        metrics: Metrics,
        tokens: Callable[[], TokenList | None],
    ) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._producer = producer
        self._replies = replies
        self._window = window
        self._backlog = backlog
        self._metrics = metrics
        self._tokens = tokens
        self._uuids = _uuids()
        self._requests = 0
        metrics.in_flight.labels(role="ingress").set_function(lambda: self._requests)
        self._pending: dict[str, list[str]] = {}
        self._received = metrics.received.labels(via="http")
        self._responses: dict[int, Any] = {}

    def app(self) -> web.Application:
        """Return the application with its routes and error shape."""
        app = web.Application(client_max_size=self._settings.http.max_body_bytes, middlewares=[self._errors_as_json])
        for path in SUBMIT_PATHS:
            app.router.add_post(path, self.submit)
        app.router.add_get(STATUS_PATH + "{id}", self.status)
        return app

    def drain(self) -> None:
        """Answer every waiting POST 202 from now on; the submissions themselves are safe in Kafka."""
        self._replies.give_up()

    async def submit(self, request: web.Request) -> web.Response:
        """Answer `POST /api/job` (the document's URL; later editions' `/api/v1/job` and `/api/v1/jobs` alike)."""
        started = time.perf_counter()
        self._requests += 1
        try:
            response = await self._submit(request)
        finally:
            self._requests -= 1
        self._metrics.http_seconds.observe(time.perf_counter() - started)
        return response

    async def _submit(self, request: web.Request) -> web.Response:
        if self._requests > self._settings.http.max_in_flight:
            return error_response(rejections.too_many_requests())
        principal = self._authenticate(request)
        if request.content_type != "application/json":
            return error_response(
                rejections.unsupported_media_type("the body must be JSON: send Content-Type: application/json")
            )
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return error_response(
                rejections.unsupported_media_type("the body must be sent as it is, without Content-Encoding")
            )
        body = await self._body(request)
        job = validate(read_document(body), self._limits)
        principal.require(job.project)
        key = read_idempotency_key(_only(request, "Idempotency-Key"))
        wait = read_prefer(
            ",".join(request.headers.getall("Prefer", ())),
            default=self._settings.http.wait_seconds,
            longest=self._settings.http.max_wait_seconds,
        )
        correlation_id = next(self._uuids).hex
        submission = Submission(
            id=http_submission_id(principal.user, job.project, key or correlation_id),
            has_own_id=True,
            body=body,
            user=principal.user,
            content_type="application/json",
            correlation_id=correlation_id,
            traceparent=request.headers.get("traceparent"),
            received=time.time(),
        )
        self._received.inc()
        return await self._produce_and_wait(submission, job, wait)

    def _authenticate(self, request: web.Request) -> Principal:
        return authenticate(_only(request, "RA-USER"), _only(request, "Authorization"), self._tokens())

    async def _body(self, request: web.Request) -> bytes:
        if request.content.is_eof():
            return await request.read()  # it came with the headers
        try:
            async with asyncio.timeout(self._settings.http.read_timeout_seconds):
                return await request.read()
        except TimeoutError:
            raise SubmissionRejected(rejections.body_timeout(self._settings.http.read_timeout_seconds)) from None
        except ConnectionError:  # nobody is left to read this answer
            raise SubmissionRejected(rejections.incomplete_body()) from None

    async def _produce_and_wait(self, submission: Submission, job: JobSubmission, wait: float) -> web.Response:
        if not self._replies.ready:
            return error_response(
                rejections.not_accepted("the service is starting or cannot reach Kafka: nothing was accepted")
            )
        assert submission.correlation_id is not None  # noqa: S101 - set above; tells mypy
        with self._replies.expect(submission.correlation_id, wait) as answered:
            pending = self._pending.setdefault(submission.id.key, [])
            pending.append(str(submission.user))
            try:
                await self._producer.send(submission_record(submission, self._settings.topics.submissions))
                outcome = await answered if wait else None
            except RecordTooLarge:
                return error_response(rejections.too_large("the submission is larger than Kafka takes"))
            except BrokerUnavailable as error:
                log.warning("submission-not-accepted", submission=submission.id.key, reason=str(error))
                return error_response(
                    rejections.maybe_accepted() if error.maybe_written else rejections.not_accepted(NOT_ACCEPTED)
                )
            finally:
                pending.pop()  # users of one id are one user
                if not pending:
                    del self._pending[submission.id.key]
        return self._accepted(submission, job) if outcome is None else outcome_response(outcome)

    def _accepted(self, submission: Submission, job: JobSubmission) -> web.Response:
        body = {
            "status": 202,
            "message": "accepted; the outcome will be at the Location",
            "id": submission.id.key,
        }
        if job.name is None:
            body["name"] = job_name(job, submission.id)
        headers = {"Location": STATUS_PATH + submission.id.key, "Retry-After": "1"}
        return json_response(202, body, headers)

    async def status(self, request: web.Request) -> web.Response:
        """Answer `GET /api/submissions/<id>`: 200 with the outcome, 202 while it is pending, 404 if unknown."""
        principal = self._authenticate(request)
        key = request.match_info["id"]
        if not is_submission_key(key):
            return unknown_submission(key)
        try:
            outcome = await self._window.find(key)
            if outcome is None and await self._is_pending(key, principal):
                return json_response(
                    202, {"status": 202, "message": "the outcome is not known yet"}, {"Retry-After": "1"}
                )
            outcome = outcome or await self._just_finished(key)
        except BrokerUnavailable as error:
            return error_response(rejections.not_accepted("Kafka cannot be asked at the moment", str(error)))
        if outcome is None and not self._replies.caught_up:
            return error_response(rejections.not_accepted("the outcomes of the past are still being read: ask again"))
        if outcome is None or (principal.projects is not None and outcome.user != principal.user):
            return unknown_submission(key)
        return outcome_response(outcome, status=200)

    async def _is_pending(self, key: str, principal: Principal) -> bool:
        """Tell whether a submission waits for its outcome; with tokens, whether one of this user's own does."""
        user = None if principal.projects is None else principal.user
        waiting = self._pending.get(key, ())
        return (bool(waiting) if user is None else user in waiting) or await self._backlog.holds(key.encode(), user)

    async def _just_finished(self, key: str) -> Outcome | None:
        """Look once more: between the two questions the outcome may have come and the backlog been committed."""
        await asyncio.sleep(FOLLOW_SECONDS)
        return await self._window.find(key)

    @web.middleware
    async def _errors_as_json(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give every answer the API's error shape and count it; an unforeseen exception becomes a 500, never a hang."""
        try:
            response = await handler(request)
        except InvalidSubmission as error:
            response = error_response(rejections.invalid_parameters(error))
        except SubmissionRejected as rejected:
            response = error_response(rejected.rejection)
        except web.HTTPRequestEntityTooLarge:
            limit = self._settings.http.max_body_bytes
            response = error_response(
                rejections.too_large(f"the body is larger than {limit} bytes, HTTP_MAX_BODY_BYTES")
            )
        except web.HTTPException as error:
            response = error_response(_refusal(error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Exception:  # noqa: BLE001 - the last resort of the door: the client gets an answer, the log the cause
            log.exception("request-failed", path=request.path)
            response = error_response(rejections.internal_error())
        if request.path in SUBMIT_PATHS:
            self._count(response.status)
        return response

    def _count(self, status: int) -> None:
        counter = self._responses.get(status)
        if counter is None:
            counter = self._responses[status] = self._metrics.http_responses.labels(code=str(status))
        counter.inc()


def _refusal(error: web.HTTPException) -> Rejection:
    """Return the rejection that an answer of the HTTP library amounts to."""
    if isinstance(error, web.HTTPNotFound):
        return rejections.unknown_path(USAGE)
    if isinstance(error, web.HTTPMethodNotAllowed):
        return rejections.method_not_allowed(USAGE)
    return rejections.of_status(error.status, error.reason)


def _uuids() -> Iterator[UUID]:
    """Yield random UUIDs (RFC 9562, version 4), asking the kernel for their bytes a page at a time, not one by one."""
    while True:
        page = os.urandom(4096)
        for start in range(0, len(page), 16):
            yield UUID(bytes=page[start : start + 16], version=4)


def _only(request: web.Request, name: str) -> str | None:
    """Return the value of a header that can be there once: of two values nobody could tell which one counts."""
    values = request.headers.getall(name, ())
    if len(set(values)) > 1:
        raise InvalidSubmission((Fault(name, "must be given once, not with several values"),))
    return values[0] if values else None
