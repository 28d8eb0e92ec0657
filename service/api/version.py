"""`GET /api/v1/version`: which version of the old API this is.

The vendor's command line asks it first. Where the answer is an error, or less than 0.1.11, it goes to the cluster
itself without a word, so that this needs no credentials.
"""

from typing import Final

from aiohttp import web

from service.api.responses import json_response

PATH: Final = "/api/v1/version"

VERSION: Final = (0, 1, 11)
"""The least version with which its clients submit here; not that of this service."""


async def get(_request: web.Request) -> web.Response:
    """Answer the version."""
    major, minor, subver = VERSION
    version = f"{major}.{minor}.{subver}"
    return json_response(200, {"data": {"version": version, "major": major, "minor": minor, "subver": subver}})
