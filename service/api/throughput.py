"""`GET /api/v1/throughput`: how many submissions wait, and how many got their outcome, over the last minutes."""

from typing import Final

from aiohttp import web

from service.api.responses import json_response
from service.api.routes import RIGHTS
from service.views.throughput import SAMPLE_SECONDS, Throughput

PATH: Final = "/api/v1/throughput"


class ThroughputRoute:
    """Tells the samples."""

    def __init__(self, throughput: Throughput) -> None:
        self._throughput = throughput

    async def get(self, request: web.Request) -> web.Response:
        """Answer the samples, the oldest first."""
        request[RIGHTS].see_service()
        data = [sample._asdict() for sample in self._throughput.samples]
        return json_response(200, {"seconds": SAMPLE_SECONDS, "data": data})
