"""Which fault a proxy plays on the next request: a seeded choice, counted by kind."""

import contextlib
import random
import socket
from asyncio import StreamWriter, Transport
from collections import Counter
from enum import StrEnum


class Fault(StrEnum):
    """What a proxy does to one request."""

    REFUSE = "refuse"
    """The connection is reset as soon as it is made."""
    RESET_BEFORE = "reset before the request"
    """The connection is reset and the server never sees the request."""
    RESET_AFTER = "reset after the server applied it"
    """The server carries the request out; the client gets a reset in place of the answer."""
    DELAY = "delay"
    """The request is held back for a moment."""
    BLACK_HOLE = "black hole"
    """The server carries the request out, and the client hears nothing more on this connection."""
    NEVER_ARRIVES = "never arrives"
    """The server never sees the request nor what follows on this connection, which stays open."""
    TOO_MANY = "429"
    """Answered by the proxy: 429 with `Retry-After` (HTTP only)."""
    SERVER_ERROR = "500"
    """Answered by the proxy: 500 (HTTP only)."""
    UNAVAILABLE = "503"
    """Answered by the proxy: 503 (HTTP only)."""
    PAGE = "a page of something in front"
    """Answered by the proxy: an HTML page, with one of `PAGE_STATUSES` (HTTP only)."""
    UNAUTHORIZED = "401"
    """Answered as an API server does that does not accept the credentials: a `Status` object (HTTP only)."""
    ANONYMOUS = "login lost"
    """The request reaches the API server without its credentials, which takes it for `system:anonymous` (HTTP only)."""


CONNECTION_FAULTS = (Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.DELAY, Fault.BLACK_HOLE)
HTTP_FAULTS = (*CONNECTION_FAULTS, Fault.TOO_MANY, Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.PAGE)
PAGE_STATUSES = (200, 302, 400, 403, 404, 405, 407, 409, 413, 421, 422, 451, 502)
"""Statuses of pages that proxies, firewalls and login portals answer with."""


class FaultPlan:
    """Chooses a fault for a request, or none. `rates` are probabilities; set it to change them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.rates: dict[Fault, float] = {}
        self.played: Counter[Fault] = Counter()

    def calm(self) -> None:
        """From now on every request passes."""
        self.rates = {}

    def choose(self) -> Fault | None:
        """Choose for one request, and count the choice."""
        dice = self._random.random()
        for fault, rate in self.rates.items():
            dice -= rate
            if dice < 0:
                self.played[fault] += 1
                return fault
        return None

    def page_status(self) -> int:
        """Choose the status of a page."""
        return self._random.choice(PAGE_STATUSES)

    def refuses(self) -> bool:
        """Choose for one new connection whether it is refused."""
        if self._random.random() < self.rates.get(Fault.REFUSE, 0):
            self.played[Fault.REFUSE] += 1
            return True
        return False

    def seconds(self, longest: float) -> float:
        """Choose how long a delay lasts."""
        return self._random.uniform(0, longest)


def reset(connection: StreamWriter | Transport) -> None:
    """End a connection with a TCP reset, as a crashed peer's kernel does; what was not sent yet is lost."""
    transport = connection.transport if isinstance(connection, StreamWriter) else connection
    raw = transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # on, 0 s: close() resets
    transport.abort()
