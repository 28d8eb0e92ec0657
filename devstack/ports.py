"""TCP ports of 127.0.0.1 for servers that are about to start, each given to one process at a time."""

import fcntl
import functools
import os
import random
import socket

from devstack.cache import cache_dir
from devstack.process import ServerError

# below the systems' ephemeral ranges: a port out of those can be taken by any outgoing connection while its server
# restarts, and a client that retries on it can even end up connected to itself
_PORTS = range(20_000, 30_000)
_mine: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, reserved as of `reserve`.

    Raises:
        ServerError: there is none.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        if reserve(port):
            return port
    raise ServerError(f"no free TCP port in {_PORTS.start}-{_PORTS.stop - 1}")


def reserve(port: int) -> bool:
    """Whether this process may have a port: nobody listens on it, and it has not been given away here before.

    Between this answer and the server's bind() lie seconds, in which another process would find the port free as well.
    So a byte of a file in the cache is locked for each port that is given away; the kernel drops the lock when this
    process ends (fcntl(2), record locks).
    """
    if port in _mine or not is_free(port) or not _lock(port):
        return False
    _mine.add(port)
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed connection in TIME_WAIT is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _lock(port: int) -> bool:
    try:
        fcntl.lockf(_lock_file(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):  # POSIX allows either for a lock that is held
        return False
    return True


@functools.cache
def _lock_file() -> int:
    """Open the file once and for good: closing any descriptor of it would drop all of this process's locks."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    return os.open(cache_dir() / "ports.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
