"""The HTTP API: its route table, and what wraps every route.

Knows nothing of Kubernetes: a POST becomes a record on the topic, and the outcome that a consumer writes becomes the
response. To add an endpoint, write its file in `api/` and a line in the route table.
"""

from collections.abc import Callable

from aiohttp import web

from service.api import middlewares, submissions, submit
from service.api.routes import Route
from service.api.submissions import Submissions
from service.api.submit import Submit
from service.auth.tokens import TokenList
from service.broker import Producer
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from service.views.pending import PendingSubmissions
from service.views.waiters import Waiters

USAGE = f"POST a job to {' or '.join(submit.PATHS)}, GET what became of it from {submissions.location('<id>')}"


class HttpIngress:
    """The application of the ingress; `app()` is what a server runs."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        waiters: Waiters,
        window: DuplicateWindow,
        pending: PendingSubmissions,
        metrics: Metrics,
        tokens: Callable[[], TokenList | None],
    ) -> None:
        self._settings = settings.http
        self._waiters = waiters
        self._metrics = metrics
        self._tokens = tokens
        jobs = Submit(settings, producer, waiters, metrics)
        outcomes = Submissions(window, pending, waiters)
        self.routes = (
            *(Route("POST", path, jobs.post) for path in submit.PATHS),
            Route("GET", submissions.PATH, outcomes.get),
        )

    def app(self) -> web.Application:
        """Return the application: the routes within the middlewares, the first of which is the outermost."""
        routes: dict[web.AbstractRoute, Route] = {}
        app = web.Application(
            client_max_size=self._settings.max_body_bytes,
            middlewares=[
                middlewares.measured(routes, self._metrics),
                middlewares.errors_as_json(self._settings, USAGE),
                middlewares.authenticated(routes, self._tokens),
                middlewares.limited(routes, self._settings, self._metrics),
            ],
        )
        for route in self.routes:
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                routes[app.router.add_route(method, route.path, route.handler)] = route
        return app

    def drain(self) -> None:
        """Answer every waiting POST 202 from now on; the submissions themselves are safe in Kafka."""
        self._waiters.give_up()
