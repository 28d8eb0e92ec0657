"""The last look before a write: a request body that goes out only while this process may still act.

Between a caller's own look and the socket a request may wait for new credentials, or for a connection and its TLS
handshake. A process that is stopped there for longer than its session wakes up as a zombie with the request in hand. So
the look is taken when there is nothing left to wait for: aiohttp sends the headers together with the body.
"""

from collections.abc import Awaitable, Callable

from aiohttp import BytesPayload
from aiohttp.abc import AbstractStreamWriter

Guard = Callable[[], Awaitable[None]]
"""Returns when this process may write to Kubernetes for the submission; raises LeaseLost when it may not any more."""


class GuardedBody(BytesPayload):
    """JSON that asks `guard` right before it is written; what that raises is the cause of aiohttp's ClientError."""

    def __init__(self, body: bytes, guard: Guard) -> None:
        super().__init__(body, content_type="application/json")
        self._guard = guard

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write headers and body once the guard lets them pass."""
        await self._guard()
        await super().write_with_length(writer, content_length)
