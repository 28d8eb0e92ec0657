"""`DELETE`: a submission is cancelled by its id, a job by its project and name, several in the old API's way.

Each becomes a cancel on the topic, and its outcome the response; knows nothing of Kubernetes.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from service.api import submissions, submit
from service.api.exchange import ACCEPTED, Exchange, accepted, key_of, new_correlation_id, submission_of
from service.api.responses import json_response, outcome_response
from service.api.routes import BODY, PRINCIPAL, RIGHTS
from service.auth.shares import Shares
from service.broker import BrokerUnavailable
from service.settings import Settings
from service.submission import rejections
from service.submission.cancels import (
    Cancel,
    JobName,
    cancel_record,
    http_cancel_id,
    read_job_name,
    read_job_names,
)
from service.submission.identity import is_submission_key
from service.submission.outcomes import Outcome, project_of
from service.submission.records import Submission
from service.submission.rejection import Rejection, SubmissionRejected
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from service.views.pending import PendingSubmissions

LISTS: Final = submit.PATHS
"""Where the old API's editions take a list of jobs to be deleted."""

JOB: Final = "/api/v1/jobs/{project}/{name}"


@dataclass(frozen=True, slots=True)
class _Sender:
    """Whose request it is, and what it says of all its cancels."""

    request: web.Request
    user: str
    key: str | None
    wait: float


class Cancels:
    """Takes cancels."""

    def __init__(
        self,
        settings: Settings,
        exchange: Exchange,
        window: DuplicateWindow,
        pending: PendingSubmissions,
        metrics: Metrics,
    ) -> None:
        self._topic = settings.topics.submissions
        self._exchange = exchange
        self._window = window
        self._pending = pending
        self._places = Shares(settings.http.max_in_flight, "user")
        self._received = metrics.received.labels(via="http")

    async def delete_jobs(self, request: web.Request) -> web.Response:
        """Cancel the jobs of a list, each with its own result: 200, or 202 where one has no outcome in time.

        The old API's clients drop the body of any answer of 400 or above. Raises InvalidSubmission.
        """
        jobs = read_job_names(request.get(BODY, b""))
        sender = self._sender(request)
        results = await asyncio.gather(*(self._result(sender, job) for job in jobs))
        is_pending = any(result.get("error", {}).get("status") == 202 for result in results)
        return json_response(202 if is_pending else 200, {"data": results})

    async def delete_job(self, request: web.Request) -> web.Response:
        """Cancel the newest job of a name: 200 or a refusal with the outcome, 202 where there is none in time.

        Raises InvalidSubmission, SubmissionRejected.
        """
        parts = request.match_info
        job = read_job_name({"project": parts["project"], "name": parts["name"]})
        await request[RIGHTS].require(job.project)
        return await self._response(self._sender(request), Cancel(project=job.project, name=job.name))

    async def delete_submission(self, request: web.Request) -> web.Response:
        """Cancel a submission, whether or not there is a Job of it: 200 or a refusal, 202 without an outcome in time.

        Raises InvalidSubmission, SubmissionRejected: 404 where users are verified and this one may not, or nobody can
        tell of which project it is.
        """
        key = request.match_info["id"]
        if not is_submission_key(key):
            raise SubmissionRejected(submissions.unknown(key))
        try:
            outcome = await self._window.find(key)
            await self._authorise(request, key, outcome)
        except BrokerUnavailable as error:
            raise SubmissionRejected(
                rejections.not_accepted("Kafka cannot be asked at the moment", str(error))
            ) from None
        partition = None if outcome is None else self._window.partition_of(key)
        return await self._response(self._sender(request), Cancel(submission=key), partition)

    async def _authorise(self, request: web.Request, key: str, outcome: Outcome | None) -> None:
        """Return where the sender may cancel a submission: in its project, as its outcome or its record tells.

        Of one that nobody has seen the project is not known. Who is not verified may cancel it all the same, as they
        might have submitted it. Raises SubmissionRejected (404), BrokerUnavailable.
        """
        rights = request[RIGHTS]
        project = project_of(outcome) if outcome is not None else await self._pending.project_of(key)
        if project is None and rights.only_own() is None:
            return
        if project is None or project not in await rights.among((project,)):
            raise SubmissionRejected(submissions.unknown(key))

    def _sender(self, request: web.Request) -> _Sender:
        return _Sender(request, request[PRINCIPAL].user, key_of(request), self._exchange.wait_of(request))

    async def _response(self, sender: _Sender, cancel: Cancel, partition: int | None = None) -> web.Response:
        submission, outcome = await self._carry_out(sender, cancel, partition)
        return accepted(submission, {}) if outcome is None else outcome_response(outcome)

    async def _result(self, sender: _Sender, job: JobName) -> dict[str, Any]:
        """Return the result of one job of a list."""
        try:
            await sender.request[RIGHTS].require(job.project)
            submission, outcome = await self._carry_out(sender, Cancel(project=job.project, name=job.name), None)
        except SubmissionRejected as error:
            return _failed(job, error.rejection.body())
        if outcome is None:
            location = submissions.location(submission.id.key)
            return _failed(job, Rejection(202, "Accepted", ACCEPTED, location).body())
        return {"name": job.name, "ok": True} if outcome.status == 200 else _failed(job, outcome.body)

    async def _carry_out(
        self, sender: _Sender, cancel: Cancel, partition: int | None
    ) -> tuple[Submission, Outcome | None]:
        """Write a cancel to the topic; return it, and its outcome if it comes in time. Raises SubmissionRejected."""
        correlation_id = new_correlation_id()
        identity = http_cancel_id(sender.user, cancel, sender.key or correlation_id)
        submission = submission_of(sender.request, identity, sender.user, cancel.body(), correlation_id)
        submission = submission._replace(is_cancel=True)
        self._received.inc()
        with self._places.place(sender.user):
            record = cancel_record(submission, cancel, self._topic, partition)
            return submission, await self._exchange.outcome(record, submission, sender.wait)


def _failed(job: JobName, error: dict[str, Any]) -> dict[str, Any]:
    return {"name": job.name, "ok": False, "error": error}
