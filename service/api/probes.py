"""Health and metrics: `/metrics` for Prometheus, `/healthz` and `/readyz` for Kubernetes and load balancers.

Alive means the event loop answers; ready means every part says it takes part. The reasons stand in the body, so that
"why is it not ready" is one curl. What a part says in words is for people and makes nothing unready.
"""

from collections.abc import Callable, Mapping

from aiohttp import web

from service.api.responses import error_response, json_response
from service.api.routes import PUBLIC, Route
from service.submission.rejection import Rejection
from service.telemetry.metrics import CONTENT_TYPE, Metrics

Checks = Mapping[str, Callable[[], bool | str]]


def health(checks: Checks) -> tuple[Route, Route]:
    """Return the routes of both kinds of health; `checks` maps the name of a part to whether it is ready."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        states = {name: check() for name, check in checks.items()}
        return json_response(503 if False in states.values() else 200, states)

    return Route("GET", "/healthz", healthz, PUBLIC), Route("GET", "/readyz", readyz, PUBLIC)


def app(metrics: Metrics, checks: Checks) -> web.Application:
    """Return the application of the second port."""

    async def metrics_page(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    for route in (Route("GET", "/metrics", metrics_page, PUBLIC), *health(checks)):
        application.router.add_get(route.path, route.handler)
    return application


def refuse(_request: web.BaseRequest, rejection: Rejection) -> web.Response:
    """Answer malformed HTTP; it is not logged on this port."""
    return error_response(rejection)
