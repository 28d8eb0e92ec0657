"""The producer's way of getting rid of a client, whatever state that is in."""

from types import SimpleNamespace
from typing import Any

from service.broker.producer import _discard


class BrokenClient:
    """A client of aiokafka whose sender has died, so that its `stop` raises what the sender died of."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._message_accumulator: Any = SimpleNamespace(_batches={}, _pending_batches=set(), fail_all=lambda _: None)
        self.closed = False
        self.client = self

    async def stop(self) -> None:
        raise self._error

    async def close(self) -> None:
        self.closed = True


async def test_a_client_whose_sender_has_died_is_closed_all_the_same():
    """Seen when the broker restarts: aiokafka 0.14 re-raises a KeyError of `reenqueue` from `stop`."""
    client = BrokenClient(KeyError("a batch that was failed meanwhile"))
    await _discard(client)  # type: ignore[arg-type] # a double
    assert client.closed
