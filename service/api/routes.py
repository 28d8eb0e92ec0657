"""What a line of the route table says, and what the middlewares leave on a request for its handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from service.auth.authorisation import Rights, Verb
from service.auth.principal import Principal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PRINCIPAL: Final = web.RequestKey("principal", Principal)
"""Who sent the request; set for every route that is not public."""

RIGHTS: Final = web.RequestKey("rights", Rights)
"""What they may do by this route; set for every route that is not public, and asked by its handler."""

BODY: Final = web.RequestKey("body", bytes)
"""The whole body of a POST, or of a DELETE that has one; set for every route that is not public."""

SUBMISSION: Final = web.RequestKey("submission", str)
"""The key of the submission that a POST has become; left by the handler for the middlewares."""


PUBLIC: Final = None
"""Needs no right: answered without credentials."""


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: `path` is a pattern of aiohttp, `needs` what its sender must be allowed to do, or `PUBLIC`."""

    method: str
    path: str
    handler: Handler
    needs: Verb | None
