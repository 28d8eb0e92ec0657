"""The last check before a write: a request body that goes out only while this process still holds its lease.

Between a caller's own check and the socket a request may wait for new credentials, or for a connection and its TLS
handshake. A process that is stopped there for longer than its session goes on afterwards with the request in hand,
while another one has taken over ("How to do distributed locking", M. Kleppmann, 2016: the paused client). So the lease
is confirmed when there is nothing left to wait for: aiohttp sends the headers together with the body.
"""

from collections.abc import Awaitable, Callable

from aiohttp import BytesPayload
from aiohttp.abc import AbstractStreamWriter

Confirm = Callable[[], Awaitable[None]]
"""Returns when this process may write to Kubernetes for the submission; raises LeaseLost when it may not any more."""


class FencedBody(BytesPayload):
    """JSON that awaits `confirm` right before it is written; what that raises is the cause of aiohttp's ClientError."""

    def __init__(self, body: bytes, confirm: Confirm) -> None:
        super().__init__(body, content_type="application/json")
        self._confirm = confirm

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write headers and body once the lease is confirmed."""
        await self._confirm()
        await super().write_with_length(writer, content_length)
