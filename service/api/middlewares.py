"""What every route has in common, so that none can forget it: one shape of errors, credentials, limits, metrics.

Each function makes one middleware of aiohttp; `http_ingress` puts them in order. A middleware that asks which route was
matched gets None for an unknown path and for a method that the path does not take.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.api.request_headers import only
from service.api.responses import error_response
from service.api.routes import PRINCIPAL, Handler, Route
from service.auth.tokens import TokenList, authenticate
from service.errors import InvalidSubmission
from service.settings import HttpSettings
from service.submission import rejections
from service.submission.rejections import Rejection, SubmissionRejected
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics

Routes = Mapping[web.AbstractRoute, Route]
"""The route table by aiohttp's own objects: what a request has matched."""


def measured(routes: Routes, metrics: Metrics) -> Middleware:
    """Count the responses to POSTs and their seconds."""
    counters: dict[int, Any] = {}  # bound once: looking a child up costs more than counting

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        if request.match_info.route in routes and request.method == "POST":
            if response.status not in counters:
                counters[response.status] = metrics.http_responses.labels(code=str(response.status))
            counters[response.status].inc()
            metrics.http_seconds.observe(time.perf_counter() - started)
        return response

    return middleware


def errors_as_json(settings: HttpSettings, usage: str) -> Middleware:
    """Give every error the API's shape; an unforeseen exception becomes a 500 and a log line, never a hang."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except InvalidSubmission as error:
            return error_response(rejections.invalid_parameters(error))
        except SubmissionRejected as rejected:
            return error_response(rejected.rejection)
        except web.HTTPRequestEntityTooLarge:
            limit = settings.max_body_bytes
            return error_response(rejections.too_large(f"the body is larger than {limit} bytes, HTTP_MAX_BODY_BYTES"))
        except web.HTTPException as error:
            response = error_response(_rejection(error, usage))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except Exception:  # noqa: BLE001 - the last resort: the client gets an answer, the log the cause
            log.exception("request-failed", path=request.path)
            return error_response(rejections.internal_error())

    return middleware


def _rejection(error: web.HTTPException, usage: str) -> Rejection:
    """Return the rejection that an error of the HTTP library amounts to."""
    if isinstance(error, web.HTTPNotFound):
        return rejections.unknown_path(usage)
    if isinstance(error, web.HTTPMethodNotAllowed):
        return rejections.method_not_allowed(usage)
    return rejections.of_status(error.status, error.reason)


def authenticated(routes: Routes, tokens: Callable[[], TokenList | None]) -> Middleware:
    """Note on the request who sent it; without good credentials only public routes are answered."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = routes.get(request.match_info.route)
        if route is not None and not route.public:
            user, secret = (only(name, request.headers.getall(name, ())) for name in ("RA-USER", "Authorization"))
            request[PRINCIPAL] = authenticate(user, secret, tokens())
        return await handler(request)

    return middleware


def limited(routes: Routes, settings: HttpSettings, metrics: Metrics) -> Middleware:
    """Refuse a POST while too many are in progress."""
    in_progress = 0
    metrics.in_flight.labels(role="ingress").set_function(lambda: in_progress)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal in_progress
        if request.match_info.route not in routes or request.method != "POST":
            return await handler(request)
        if in_progress >= settings.max_in_flight:
            raise SubmissionRejected(rejections.too_many_requests())
        in_progress += 1
        try:
            return await handler(request)
        finally:
            in_progress -= 1

    return middleware
