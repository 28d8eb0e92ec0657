"""What every route has in common, so that none can forget it: one shape of errors, credentials, limits, metrics.

Each function makes one middleware of aiohttp; `http_ingress` puts them in order. A middleware that asks which route was
matched gets None for an unknown path and for a method that the path does not take.
"""

import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.api.bodies import Bodies
from service.api.refusals import Refusals
from service.api.request_headers import as_text, only
from service.api.routes import BODY, PRINCIPAL, PUBLIC, RIGHTS, SUBMISSION, Handler, Route
from service.auth.authentication import Verifier, authenticate
from service.auth.authorisation import Authoriser, Rights
from service.auth.principal import Principal
from service.auth.rates import Rates
from service.auth.shares import Shares
from service.errors import InvalidSubmission
from service.settings import HttpSettings
from service.submission import rejections
from service.submission.rejection import Rejection, SubmissionRejected, of_status
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing

Routes = Mapping[web.AbstractRoute, Route]
"""The route table by aiohttp's own objects: what a request has matched."""


def traced(routes: Routes, tracing: Tracing) -> Middleware:
    """Note the span of a POST that brings a trace along."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.time()
        response = await handler(request)
        traceparent = request.headers.get("traceparent")
        if traceparent is not None and request.method == "POST" and request.match_info.route in routes:
            tracing.note(
                "received", traceparent, began, submission=request.get(SUBMISSION), status_code=response.status
            )
        return response

    return middleware


def measured(routes: Routes, metrics: Metrics) -> Middleware:
    """Count the requests, and the seconds of POSTs."""
    counters: dict[tuple[str, str, int], Any] = {}  # bound once: looking a child up costs more than counting
    posts: dict[int, Any] = {}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        route = routes.get(request.match_info.route)
        counted = (route.method, route.path, response.status) if route else ("none", "none", response.status)
        if counted not in counters:
            method, path, status = counted
            counters[counted] = metrics.http_requests.labels(method=method, route=path, code=str(status))
        counters[counted].inc()
        if route is not None and route.method == "POST":
            if response.status not in posts:
                posts[response.status] = metrics.http_responses.labels(code=str(response.status))
            posts[response.status].inc()
            metrics.http_seconds.observe(time.perf_counter() - started)
        return response

    return middleware


def errors_as_json(refusals: Refusals, usage: str) -> Middleware:
    """Give every error the API's shape; an unforeseen exception becomes a 500 and a log line, never a hang."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except InvalidSubmission as error:
            return refusals.response(request, rejections.invalid_parameters(error))
        except SubmissionRejected as rejected:
            return refusals.response(request, rejected.rejection, rejected.retry_after)
        except web.HTTPException as error:
            response = refusals.response(request, _rejection(error, usage))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except Exception:  # noqa: BLE001 - the last resort: the client gets an answer, the log the cause
            log.exception("request-failed", path=request.path)
            return refusals.response(request, rejections.internal_error())

    return middleware


def _rejection(error: web.HTTPException, usage: str) -> Rejection:
    """Return the rejection that an error of the HTTP library amounts to."""
    if isinstance(error, web.HTTPNotFound):
        return rejections.unknown_path(usage)
    if isinstance(error, web.HTTPMethodNotAllowed):
        return rejections.method_not_allowed(usage)
    return of_status(error.status, error.reason)


async def identify(request: web.Request, verifier: Verifier | None) -> Principal:
    """Return who sent a request. Raises SubmissionRejected, InvalidSubmission for a header with two values."""
    user, secret = (only(name, request.headers.getall(name, ())) for name in ("RA-USER", "Authorization"))
    return await authenticate(user and as_text(user), secret, verifier)


def authenticated(routes: Routes, verifier: Verifier | None) -> Middleware:
    """Note on the request who sent it; without good credentials only public routes are answered."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = routes.get(request.match_info.route)
        if route is not None and route.needs is not PUBLIC:
            request[PRINCIPAL] = await identify(request, verifier)
        return await handler(request)

    return middleware


def authorised(routes: Routes, authoriser: Authoriser) -> Middleware:
    """Have the handler ask what the sender may do by the route; an answer of one that has not asked is kept back."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = routes.get(request.match_info.route)
        if route is None or route.needs is PUBLIC:
            return await handler(request)
        rights = request[RIGHTS] = Rights(authoriser, request[PRINCIPAL], route.needs)
        response = await handler(request)
        if not rights.asked:
            raise RuntimeError(f"{route.method} {route.path} was answered without asking whether it may be")
        return response

    return middleware


def limited(settings: HttpSettings, bodies: Bodies, rates: Rates, places: Shares) -> Middleware:
    """Bound what a request may bring, how many a user may make, and share the places of those in progress among users.

    A place is taken when the body has arrived whole, so that slow clients hold none.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if sum(len(name) + len(value) for name, value in request.raw_headers) > settings.max_header_bytes:
            raise SubmissionRejected(rejections.headers_too_large(settings.max_header_bytes))
        principal = request.get(PRINCIPAL)
        if principal is None:
            return await handler(request)
        rates.count(principal.user)
        if request.method == "POST" or (request.method == "DELETE" and request.can_read_body):
            request[BODY] = await bodies.read(request, principal.user)
        with places.place(principal.user):
            return await handler(request)

    return middleware
