"""`POST /api/job`: the body becomes a record on the topic, its outcome becomes the response.

Validates early, so that a bad request never reaches the topic; knows nothing of Kubernetes.
"""

from typing import Final

from aiohttp import web

from service.api.exchange import Exchange, accepted, key_of, new_correlation_id, submission_of
from service.api.responses import outcome_response
from service.api.routes import BODY, PRINCIPAL, RIGHTS, SUBMISSION
from service.auth.rates import Rates
from service.auth.shares import Shares
from service.errors import Fault, InvalidSubmission
from service.settings import Settings
from service.spec.strict_json import read_document
from service.submission.identity import http_submission_id, job_name
from service.submission.records import submission_record
from service.telemetry.metrics import Metrics
from service.validation import validate

PATHS: Final = ("/api/job", "/api/v1/job", "/api/v1/jobs")
"""The documented URL, and those of later editions of the API."""


class Submit:
    """Takes submissions."""

    def __init__(self, settings: Settings, exchange: Exchange, metrics: Metrics) -> None:
        self._limits = settings.limits
        self._topic = settings.topics.submissions
        self._exchange = exchange
        self._places = Shares(settings.http.max_in_flight, "project")
        self._rates = Rates(settings.http.project_submissions_per_second, "project")
        metrics.in_flight.labels(role="ingress").set_function(lambda: self._places.taken)
        self._received = metrics.received.labels(via="http")

    async def post(self, request: web.Request) -> web.Response:
        """Answer 200 or a refusal with the outcome, 202 where there is none in time.

        Raises InvalidSubmission, SubmissionRejected.
        """
        user, body = request[PRINCIPAL].user, request[BODY]
        job = validate(read_document(body), self._limits)
        await request[RIGHTS].require(job.project)
        self._rates.count(job.project)
        wait, correlation_id = self._exchange.wait_of(request), new_correlation_id()
        identity = http_submission_id(user, job.project, key_of(request) or correlation_id)
        submission = submission_of(request, identity, user, body, correlation_id)
        submission = submission._replace(is_dry_run=_is_dry_run(request))
        request[SUBMISSION] = submission.id.key
        self._received.inc()
        with self._places.place(job.project):
            outcome = await self._exchange.outcome(submission_record(submission, self._topic), submission, wait)
        if outcome is None:
            return accepted(submission, {} if job.name else {"name": job_name(job, submission.id)})
        return outcome_response(outcome)


def _is_dry_run(request: web.Request) -> bool:
    values = set(request.query.getall("dryRun", ["false"]))
    if values not in ({"true"}, {"false"}):
        raise InvalidSubmission((Fault("dryRun", "must be true or false, once in the query of the URL"),))
    return values == {"true"}
