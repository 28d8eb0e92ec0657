"""Whether the process runs out of file descriptors, and some that are kept for that case.

Without any, no connection is made or accepted and no file is opened, and nothing says so: the event loop closes a
connection that it cannot accept. The port of the probes takes the kept ones then, so that the trouble can be seen.
"""

import asyncio
import errno
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from service.telemetry.logs import log

LOOK_SECONDS: Final = 2.0
"""How often they are counted."""
LOW: Final = 16
"""So few left are too few: each request to Kafka, Kubernetes or a credential plugin may take one or more."""
KEPT: Final = 8
"""Descriptors kept: a probe and a scrape take one each, for a moment."""
MOST: Final = 65536
"""What the soft limit is raised to where the hard one allows it."""
EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE)
"""The errors of a process, and of a machine, that has none left."""


def open_files() -> int:
    """Raise the soft limit of open files as far as it may be, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS has another limit beside it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


class OpenFiles:
    """The file descriptors of this process. `show` is told how many it may still open."""

    def __init__(self, show: Callable[[float], None]) -> None:
        self._show = show
        self._kept: list[int] = []
        self.are_short = False
        self._keep()
        self.look()

    def close(self) -> None:
        """Keep none any more."""
        while self.give_one():
            pass

    def give_one(self) -> bool:
        """Let go of one that was kept, which then is free to be used at once; False where none is left."""
        if not self._kept:
            return False
        os.close(self._kept.pop())
        return True

    async def watch(self) -> None:
        """Count, and keep as many as there should be, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()
            self._keep()

    def look(self) -> None:
        """Count, and tell what has changed."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = MOST if soft == resource.RLIM_INFINITY else soft
        used = self._used(limit)
        left = limit - used
        self._show(left)
        if (left < LOW) != self.are_short:
            self.are_short = left < LOW
            tell_log = log.error if self.are_short else log.warning
            tell_log("files-short" if self.are_short else "files-enough", open=used, limit=limit)

    def _used(self, limit: int) -> int:
        """Return how many of the descriptors below the limit are open; the kept ones count as open."""
        folder = "/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd"
        try:
            names = os.listdir(folder)  # noqa: PTH208 - the names alone
        except OSError:
            if not self.give_one():
                return limit
            names = os.listdir(folder)  # noqa: PTH208
            self._keep()
        return sum(int(name) < limit for name in names) - 1  # the folder's own

    def _keep(self) -> None:
        with suppress(OSError):  # there is none to keep
            while len(self._kept) < KEPT:
                self._kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
