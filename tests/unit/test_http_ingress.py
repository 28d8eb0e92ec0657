"""What holds for every line of the route table: credentials, one shape of errors, limits, metrics."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from service.api.routes import PRINCIPAL, Route
from service.errors import Fault, InvalidSubmission
from service.http_ingress import HttpIngress
from service.settings import read_settings
from service.submission import rejections
from service.submission.rejections import SubmissionRejected
from service.telemetry.metrics import Metrics

ERROR = {"status", "code", "reason", "message"}
NO_PARTS: Any = None
"""Stands for the parts behind the handlers, which these tests replace or never reach."""


class Ingress:
    """The application with handlers of the test's own, on a port."""

    def __init__(self, handler: Callable[[web.Request], Any] | None = None) -> None:
        self.metrics = Metrics()
        self.ingress = HttpIngress(
            read_settings(), NO_PARTS, NO_PARTS, NO_PARTS, NO_PARTS, self.metrics, tokens=lambda: None
        )
        if handler is not None:
            self.ingress.routes = tuple(replace(route, handler=handler) for route in self.ingress.routes)

    async def __aenter__(self) -> "Ingress":
        self._server = TestServer(self.ingress.app())
        await self._server.start_server()
        self._http = ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._server.close()

    async def ask(self, route: Route, **headers: str) -> tuple[int, Any]:
        path = route.path.replace("{id}", "x")
        async with self._http.request(route.method, self._server.make_url(path), headers=headers) as response:
            return response.status, await response.json()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"job_submission_{name}", labels)


ROUTES = Ingress().ingress.routes


@pytest.fixture
async def ingress() -> AsyncIterator[Ingress]:
    async with Ingress() as running:
        yield running


def test_the_public_routes_are_these():
    assert [route.path for route in ROUTES if route.public] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
class TestEveryRoute:
    async def test_needs_credentials_unless_it_is_public(self, route, ingress):
        status, body = await ingress.ask(route)
        assert (status == 401) is not route.public
        assert set(body) == ERROR

    async def test_knows_who_asks(self, route):
        async def handler(request: web.Request) -> web.Response:
            return web.json_response(request[PRINCIPAL].user)

        async with Ingress(handler) as ingress:
            assert await ingress.ask(route, RA_USER="x", **{"RA-USER": "john"}) == (200, "john")

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (InvalidSubmission((Fault("a", "b"),)), 400),
            (SubmissionRejected(rejections.forbidden("no")), 403),
            (web.HTTPRequestEntityTooLarge(max_size=1), 413),
            (web.HTTPNotFound(), 404),
            (RuntimeError("unforeseen"), 500),
        ],
    )
    async def test_gives_errors_the_one_shape(self, route, error, status):
        async def handler(request: web.Request) -> web.Response:
            raise error

        async with Ingress(handler) as ingress:
            answered, body = await ingress.ask(route, **{"RA-USER": "john"})
            assert (answered, body["status"], body["code"]) == (status, status, status)
            assert set(body) - {"details"} == ERROR


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/job", 405), ("POST", "/nothing", 404), ("POST", "/api/submissions/x", 405)],
)
async def test_what_no_route_takes_has_the_one_shape_too(method, path, status, ingress):
    answered, body = await ingress.ask(Route(method, path, NO_PARTS))
    assert (answered, set(body)) == (status, ERROR | {"details"})


async def test_the_responses_to_posts_are_counted(ingress):
    for route in ROUTES:
        await ingress.ask(route)
    posts = sum(route.method == "POST" for route in ROUTES)
    assert ingress.sample("http_responses_total", code="401") == posts
    assert ingress.sample("http_seconds_count") == posts
