"""The second port: `/metrics` for Prometheus, `/healthz` and `/readyz` for Kubernetes.

Alive means the event loop answers; ready means every part says it takes part. The reasons stand in the body, so that
"why is it not ready" is one curl.
"""

from collections.abc import Callable, Mapping

import orjson
from aiohttp import web

from service.telemetry.metrics import CONTENT_TYPE, Metrics

Checks = Mapping[str, Callable[[], bool]]


def app(metrics: Metrics, ready: Checks) -> web.Application:
    """Return the application of the probes; `ready` maps the name of a part to its check."""

    async def metrics_page(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        states = {name: check() for name, check in ready.items()}
        return web.Response(
            body=orjson.dumps(states), status=200 if all(states.values()) else 503, content_type="application/json"
        )

    application = web.Application()
    application.router.add_get("/metrics", metrics_page)
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    return application
