"""`GET` of the documents that programs read: they are the same for everybody, and hold nothing of any user's."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from service.api.responses import json_bytes
from service.api.routes import PUBLIC, Route

_HEADERS = {"Cache-Control": "public, max-age=60", "Access-Control-Allow-Origin": "*"}
"""Tools in browsers may read them from anywhere, as they need no credentials."""


def documents_of(by_path: Mapping[str, Mapping[str, Any]]) -> tuple[Route, ...]:
    """Return the routes of documents, each given by its path; they are written as JSON once."""
    return tuple(_route(path, orjson.dumps(document)) for path, document in by_path.items())


def _route(path: str, body: bytes) -> Route:
    async def get(_request: web.Request) -> web.Response:
        return json_bytes(body, headers=_HEADERS)

    return Route("GET", path, get, PUBLIC)
