"""Accepts connections also when the process has no file descriptor left: with one of those that are kept for it.

The event loop's own servers close such a connection, or leave it waiting, without a word.
"""

import asyncio
import socket
from asyncio import BaseProtocol, Transport
from collections.abc import Callable
from typing import Final

from service.telemetry.open_files import EXHAUSTED, OpenFiles

PAUSE_SECONDS: Final = 1.0
"""How long nothing is accepted where even the kept ones are in use."""


class Acceptor:
    """Accepts on `sock`, which is bound, from `start` on; `protocol` makes the protocol of each connection."""

    def __init__(self, sock: socket.socket, protocol: Callable[[], BaseProtocol], files: OpenFiles) -> None:
        self._socket = sock
        self._protocol = protocol
        self._files = files
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[tuple[Transport, BaseProtocol]]] = set()
        self._again: asyncio.TimerHandle | None = None

    def start(self, backlog: int) -> None:
        """Listen. Raises OSError where somebody else listens on the port."""
        self._socket.settimeout(0)
        self._socket.listen(backlog)
        self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Accept no more."""
        self._loop.remove_reader(self._socket)
        if self._again is not None:
            self._again.cancel()

    def _accept(self) -> None:
        try:
            connection = self._accepted()
        except OSError as error:
            if error.errno in EXHAUSTED:  # the loop would call again at once
                self._loop.remove_reader(self._socket)
                self._again = self._loop.call_later(PAUSE_SECONDS, self._loop.add_reader, self._socket, self._accept)
            return  # else whoever wanted to connect is gone
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _accepted(self) -> socket.socket:
        try:
            return self._socket.accept()[0]
        except OSError as error:
            if error.errno not in EXHAUSTED or not self._files.give_one():
                raise
        return self._socket.accept()[0]
