"""What holds for every line of the route table: credentials, one shape of errors, limits, metrics."""

import re
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from service.api.job_logs import JobLogs, NoLogs
from service.api.probes import Checks
from service.api.routes import PRINCIPAL, PUBLIC, RIGHTS, Handler, Route
from service.auth.authorisation import ByCredential, Verb
from service.errors import Fault, InvalidSubmission
from service.http_ingress import USAGE, HttpIngress
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Untraced
from tests.unit.running_ingress import with_http

ERROR = {"status", "code", "reason", "message"}
NO_PARTS: Any = None
"""Stands for the parts behind the handlers, which these tests replace or never reach."""


def application(metrics: Metrics, checks: Checks, **http: Any) -> HttpIngress:
    logs = JobLogs(NoLogs(), 1)
    return HttpIngress(with_http(**http), *[NO_PARTS] * 5, metrics, checks, None, ByCredential(), Untraced(), logs)


def asking(handler: Handler) -> Handler:
    """The handler, after it has asked for the rights of its route."""

    async def asks(request: web.Request) -> web.StreamResponse:
        if RIGHTS in request:
            await request[RIGHTS].require("team-a")
        return await handler(request)

    return asks


def filled(path: str) -> str:
    """The path of a route with something in its gaps."""
    return re.sub(r"{\w+}", "x", path.replace("{file}", "page.css"))


class Ingress:
    """The application with handlers of the test's own, on a port."""

    def __init__(self, handler: Handler | None = None, **http: Any) -> None:
        self.metrics = Metrics()
        self.ingress = application(self.metrics, {"running": lambda: True}, **http)
        if handler is not None:
            self.ingress.routes = tuple(replace(route, handler=asking(handler)) for route in self.ingress.routes)

    async def __aenter__(self) -> "Ingress":
        self._server = TestServer(self.ingress.app())
        await self._server.start_server()
        self._http = ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._server.close()

    async def ask(self, route: Route, **headers: str) -> tuple[int, Any]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {} if route.method == "GET" else {"json": {}}
        path = self._server.make_url(filled(route.path))
        async with self._http.request(route.method, path, headers=sent, **body) as response:
            text = await response.text()
            return response.status, await response.json() if "json" in response.content_type else text

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"job_submission_{name}", labels)


ROUTES = Ingress().ingress.routes
EVERY = pytest.mark.parametrize("route", ROUTES, ids=[f"{route.method} {route.path}" for route in ROUTES])


def test_the_table_is_this():
    assert [(route.method, route.path, route.needs) for route in ROUTES] == [
        ("POST", "/api/job", Verb.CREATE),
        ("POST", "/api/v1/job", Verb.CREATE),
        ("POST", "/api/v1/jobs", Verb.CREATE),
        ("GET", "/api/submissions/{id}", Verb.GET),
        ("DELETE", "/api/job", Verb.DELETE),
        ("DELETE", "/api/v1/job", Verb.DELETE),
        ("DELETE", "/api/v1/jobs", Verb.DELETE),
        ("DELETE", "/api/v1/jobs/{project}/{name}", Verb.DELETE),
        ("DELETE", "/api/submissions/{id}", Verb.DELETE),
        ("GET", "/api/v1/jobs", Verb.LIST),
        ("GET", "/api/v1/jobs/events", Verb.LIST),
        ("GET", "/api/v1/jobs/{project}/{name}", Verb.GET),
        ("GET", "/api/job", Verb.LIST),
        ("GET", "/api/v1/job/{project}", Verb.LIST),
        ("GET", "/api/v1/job/{project}/{name}", Verb.GET),
        ("GET", "/api/v1/projects", Verb.LIST),
        ("GET", "/api/v1/version", PUBLIC),
        ("GET", "/api/v1/jobs/{project}/{name}/logs", Verb.LOGS),
        ("GET", "/api/v1/throughput", Verb.LIST),
        ("GET", "/api/v1/login", PUBLIC),
        ("GET", "/", PUBLIC),
        ("GET", "/docs", PUBLIC),
        ("GET", "/page/{file}", PUBLIC),
        ("GET", "/healthz", PUBLIC),
        ("GET", "/readyz", PUBLIC),
        ("GET", "/openapi.json", PUBLIC),
        ("GET", "/asyncapi.json", PUBLIC),
        ("GET", "/schemas/submission.json", PUBLIC),
        ("GET", "/schemas/cancel.json", PUBLIC),
        ("GET", "/schemas/outcome.json", PUBLIC),
        ("GET", "/schemas/rejection.json", PUBLIC),
        ("GET", "/schemas/job-state.json", PUBLIC),
        ("GET", "/schemas/job-event.json", PUBLIC),
    ]


@EVERY
async def test_every_route_needs_credentials_unless_it_is_public(route):
    async with Ingress() as ingress:
        status, body = await ingress.ask(route)
    assert (status, set(body) == ERROR) == ((200, False) if route.needs is PUBLIC else (401, True))


@EVERY
async def test_every_route_knows_who_asks_unless_it_is_public(route):
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(request[PRINCIPAL].user if PRINCIPAL in request else None)

    async with Ingress(handler) as ingress:
        assert await ingress.ask(route, RA_USER="john") == (200, None if route.needs is PUBLIC else "john")


@EVERY
async def test_no_route_is_answered_that_has_not_asked_what_its_sender_may_do_unless_it_is_public(route):
    async def handler(_request: web.Request) -> web.Response:
        return web.json_response("a secret")

    async with Ingress() as ingress:
        ingress.ingress.routes = tuple(replace(route, handler=handler) for route in ROUTES)
    async with ingress:
        status, body = await ingress.ask(route, RA_USER="john")
    assert (status, body == "a secret") == ((200, True) if route.needs is PUBLIC else (500, False))


@EVERY
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidSubmission((Fault("a", "b"),)), 400),
        (SubmissionRejected(rejections.forbidden("no")), 403),
        (web.HTTPNotFound(), 404),
        (RuntimeError("unforeseen"), 500),
    ],
)
async def test_every_route_gives_errors_the_one_shape_and_leaves_a_line(route, error, status):
    async def handler(_request: web.Request) -> web.Response:
        raise error

    async with Ingress(handler) as ingress:
        with capture_logs() as logs:
            answered, body = await ingress.ask(route, RA_USER="john")
    assert (answered, body["status"], body["code"], set(body) - {"details"}) == (status, status, status, ERROR)
    lines = [line for line in logs if line["event"] == "request-refused"]
    assert [(line["status"], line["reason"], line["path"]) for line in lines] == [
        (status, body["reason"], filled(route.path))
    ]


@EVERY
async def test_every_route_of_the_api_is_there_under_the_old_prefix_too(route):
    async def handler(_request: web.Request) -> web.Response:
        return web.json_response({})

    async with Ingress(handler) as ingress:
        status, _ = await ingress.ask(replace(route, path=f"/researcher{route.path}"), RA_USER="john")
        assert status == (200 if route.path.startswith("/api/") else 404)
        assert ingress.sample("http_requests_total", method=route.method, route=route.path, code="200") == (
            1 if status == 200 else None
        )


@EVERY
async def test_every_route_is_counted(route):
    async with Ingress() as ingress:
        status, _ = await ingress.ask(route)
        code = str(status)
        assert ingress.sample("http_requests_total", method=route.method, route=route.path, code=code) == 1
        assert (ingress.sample("http_responses_total", code=code) == 1) is (route.method == "POST")
        assert ingress.sample("http_seconds_count") == (route.method == "POST")


@EVERY
async def test_every_route_has_its_place_taken_unless_it_is_public(route):
    async def handler(_request: web.Request) -> web.Response:
        assert route.needs is PUBLIC or (await ingress.ask(route, RA_USER="john"))[0] == 429
        return web.json_response({})

    async with Ingress(handler, max_in_flight=1) as ingress:
        assert (await ingress.ask(route, RA_USER="john"))[0] == 200


@EVERY
async def test_every_route_refuses_headers_that_are_too_large_together(route):
    async with Ingress(max_header_bytes=1024) as ingress:
        status, body = await ingress.ask(route, RA_USER="john", one="x" * 500, two="x" * 500)
        assert (status, body["reason"]) == (431, "HeadersTooLarge")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/api/job", 405, "DELETE,GET,HEAD,POST"),
        ("POST", "/nothing", 404, None),
        ("POST", "/api/submissions/x", 405, "DELETE,GET,HEAD"),
        ("DELETE", "/", 405, "GET,HEAD"),
    ],
)
async def test_what_no_route_takes_has_the_one_shape_too(method, path, status, allow):
    async with Ingress() as ingress:
        answered, body = await ingress.ask(Route(method, path, NO_PARTS, PUBLIC))
        assert (answered, set(body), body["details"]) == (status, ERROR | {"details"}, USAGE)
        assert ingress.sample("http_requests_total", method="none", route="none", code=str(status)) == 1
        async with ingress._http.request(method, ingress._server.make_url(path)) as response:
            assert response.headers.get("Allow") == allow


async def test_health_says_what_is_not_ready():
    ingress = Ingress()
    ingress.ingress = application(Metrics(), {"running": lambda: True, "replies": lambda: False})
    async with ingress:
        states = {"running": True, "replies": False}
        assert await ingress.ask(Route("GET", "/readyz", NO_PARTS, PUBLIC)) == (503, states)
        assert await ingress.ask(Route("GET", "/healthz", NO_PARTS, PUBLIC)) == (200, "ok\n")
