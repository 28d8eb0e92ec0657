"""Follows the events of jobs over any number of connections."""

import time
from collections.abc import Iterator
from typing import Any, Final

import httpx2

from job_submission._sync.transport import Query, Transport
from job_submission.retries import pause
from job_submission.states import RESYNC, Event

PATH: Final = "/api/v1/jobs/events"

SILENCE_SECONDS: Final = 45.0
"""After which a stream counts as cut off: the service says something every 15 s."""


def follow_events(transport: Transport, params: Query, after: str | None) -> Iterator[Event]:
    """Yield events behind a position, or from now on; a stream that is cut off is resumed with `Last-Event-ID`.

    Raises what the opening of a stream raises: Refused, ServiceUnreachable.
    """
    position = after
    attempt = 0
    while True:
        headers = {} if position is None else {"Last-Event-ID": position}
        try:
            with transport.stream(PATH, params=params, headers=headers, silence=SILENCE_SECONDS) as response:
                for frame in httpx2.EventSource(response):
                    position = frame.id or position
                    if frame.data:
                        attempt = 0  # not for the mere position that begins each stream
                    if frame.event == RESYNC:
                        yield Event(position=position or "", type=RESYNC)
                    elif frame.data:
                        yield _event(position or "", frame.json())
        except httpx2.TransportError:
            pass  # cut off; a stream that ends in good order is resumed as well
        time.sleep(pause(attempt))
        attempt += 1


def _event(position: str, document: Any) -> Event:
    kind = str(document["type"]).rpartition(".")[2]
    return Event(
        position=position,
        type=kind,
        id=document["id"],
        subject=document.get("subject", ""),
        time=document.get("time", ""),
        job=document["data"],
    )
