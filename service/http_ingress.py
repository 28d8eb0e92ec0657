"""The HTTP API: its route table, and what wraps every route.

Knows nothing of Kubernetes: a POST becomes a record on the topic, and the outcome that a consumer writes becomes the
response. To add an endpoint, write its file in `api/`, say in `documents.operations` what it is, and add a line to
the route table.
"""

from itertools import product

from aiohttp import web

from service.api import events, jobs, middlewares, probes, submissions, submit, version
from service.api.bodies import Bodies
from service.api.cancel import Cancels
from service.api.documents import documents_of
from service.api.events import Events
from service.api.exchange import Exchange
from service.api.job_logs import JobLogs
from service.api.jobs import JobReader, JobRoutes
from service.api.login import Login
from service.api.old_jobs import OldJobRoutes
from service.api.projects import Projects
from service.api.refusals import Refusals
from service.api.responses import json_response
from service.api.routes import Route
from service.api.submissions import Submissions
from service.api.submit import Submit
from service.api.throughput import ThroughputRoute
from service.auth.authentication import Verifier
from service.auth.authorisation import Authoriser, Rights, Verb
from service.auth.browser_login import BrowserLogin
from service.auth.rates import Rates
from service.auth.shares import Shares
from service.auth.signatures import Signer
from service.broker import Producer
from service.documents import more_operations, operations
from service.documents.openapi import documents
from service.page.handlers import get_docs, get_file, get_page, wants_page
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.refusals import RefusalLog
from service.telemetry.tracing import Tracing
from service.views.duplicates import DuplicateWindow
from service.views.jobs import Jobs
from service.views.pending import PendingSubmissions
from service.views.throughput import Throughput
from service.views.waiters import Waiters

USAGE = (
    f"POST a job to {' or '.join(submit.PATHS)}, GET what became of it from {submissions.location('<id>')}, "
    f"DELETE it at either; GET the jobs from {jobs.LIST}, one of them from {jobs.LIST}/<project>/<name>, "
    f"their events from {events.PATH}"
)

OLD_PREFIX = "/researcher"
"""What clients of the old API may write before every path under `/api/`."""


class HttpIngress:
    """The application of the ingress; `app()` is what a server runs."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        waiters: Waiters,
        window: DuplicateWindow,
        pending: PendingSubmissions,
        known_jobs: Jobs,
        metrics: Metrics,
        checks: probes.Checks,
        verifier: Verifier | None,
        authoriser: Authoriser,
        tracing: Tracing,
        logs: JobLogs,
        signer: Signer | None = None,
        login: BrowserLogin = BrowserLogin(),  # noqa: B008 - frozen
    ) -> None:
        self._settings = settings.http
        self._bodies = Bodies(settings.http, settings.submission.max_body_bytes)
        self._waiters = waiters
        self._metrics = metrics
        self._verifier = verifier
        self._authoriser = authoriser
        self._tracing = tracing
        self._logs = logs
        self._login = login
        trail = RefusalLog(settings.http.refusals_logged_per_second)
        self.refusals = Refusals(trail, metrics, uses_tokens=verifier is not None)
        exchange = Exchange(settings.http, producer, waiters, signer)
        submitted = Submit(settings, exchange, metrics)
        outcomes = Submissions(window, pending, waiters)
        cancels = Cancels(settings, exchange, window, pending, metrics)
        self.throughput = Throughput(waiters, pending)
        reader = JobReader(known_jobs)
        told, told_as_before = JobRoutes(reader), OldJobRoutes(reader)
        self._events = Events(known_jobs, self._rights_to_list, settings.http.max_event_streams, metrics)
        self.routes = (
            *operations.SUBMIT.to(submitted.post),
            *operations.GET_SUBMISSION.to(outcomes.get),
            *operations.DELETE_JOBS.to(cancels.delete_jobs),
            *operations.DELETE_JOB.to(cancels.delete_job),
            *operations.DELETE_SUBMISSION.to(cancels.delete_submission),
            *operations.LIST_JOBS.to(told.get_all),
            *operations.FOLLOW_EVENTS.to(self._events.get),
            *operations.GET_JOB.to(told.get_one),
            *more_operations.LIST_JOBS_EARLIEST.to(told_as_before.get_all_earliest),
            *more_operations.LIST_JOBS_OF_PROJECT.to(told_as_before.get_all),
            *more_operations.GET_JOB_OF_PROJECT.to(told_as_before.get_one),
            *more_operations.LIST_PROJECTS.to(Projects(reader, settings.kube).get),
            *more_operations.GET_VERSION.to(version.get),
            *operations.READ_LOGS.to(logs.get_allowed),
            *more_operations.GET_THROUGHPUT.to(ThroughputRoute(self.throughput).get),
            *more_operations.GET_LOGIN.to(Login(login).get),
            *more_operations.INDEX.to(self._index),
            *more_operations.GET_DOCS.to(get_docs),
            *more_operations.GET_PAGE_FILE.to(get_file),
            *probes.health(checks),
            *documents_of(documents()),
        )

    def app(self) -> web.Application:
        """Return the application: the routes within the middlewares, the first of which is the outermost."""
        routes: dict[web.AbstractRoute, Route] = {}
        app = web.Application(
            middlewares=[
                middlewares.traced(routes, self._tracing),
                middlewares.measured(routes, self._metrics),
                middlewares.errors_as_json(self.refusals, USAGE),
                middlewares.authenticated(routes, self._verifier),
                middlewares.authorised(routes, self._authoriser),
                middlewares.limited(
                    self._settings,
                    self._bodies,
                    Rates(self._settings.user_requests_per_second, "user"),
                    Shares(self._settings.max_in_flight, "user"),
                ),
            ],
        )
        app.on_shutdown.append(self._logs.end)
        for route in self.routes:
            prefixes = ("", OLD_PREFIX) if route.path.startswith("/api/") else ("",)
            methods = ("GET", "HEAD") if route.method == "GET" else (route.method,)
            for prefix, method in product(prefixes, methods):
                added = app.router.add_route(method, prefix + route.path, route.handler, expect_handler=_expect)
                routes[added] = route
        return app

    async def _rights_to_list(self, request: web.Request) -> Rights:
        """Find out anew what the sender of a request that lasts may see. Raises SubmissionRejected."""
        return Rights(self._authoriser, await middlewares.identify(request, self._verifier), Verb.LIST)

    async def _index(self, request: web.Request) -> web.Response:
        """Answer a browser with the page, and others what there is; load balancers take the 200 for health."""
        if wants_page(request):
            return get_page(request, self._login.token_origin)
        return json_response(200, {"message": USAGE})

    def end_streams(self) -> None:
        """End the streams of events, whose clients go on elsewhere from where they were."""
        self._events.end()

    def drain(self) -> None:
        """Answer every waiting POST 202 from now on; the submissions themselves are safe in Kafka."""
        self._waiters.give_up()


async def _expect(request: web.Request) -> None:
    """Refuse what nobody can meet; the client is told to go on when its body is wanted (RFC 9110, section 10.1.1)."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed
