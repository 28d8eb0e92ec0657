"""The service with a look at its event loop: `python -m bench.watched ROLE`, the file in `BENCH_LONGEST_TURN`.

The file holds one double: the longest turn of the loop so far, in seconds of CPU of its thread, so that other processes
of a busy machine do not count. Whoever reads it may set it back to zero.
"""

import asyncio
import mmap
import os
import struct
import sys
import time
from pathlib import Path
from typing import Final
from unittest.mock import patch

from service import __main__ as command_line
from service.bootstrap import serve
from service.settings import Settings

FILE: Final = "BENCH_LONGEST_TURN"
TICK_SECONDS: Final = 0.001
_DOUBLE: Final = struct.Struct("d")


class LongestTurn:
    """The file, shared by the service and the benchmark."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_DOUBLE.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _DOUBLE.size)

    @property
    def seconds(self) -> float:
        """The longest turn since it was set back."""
        return float(_DOUBLE.unpack_from(self._memory)[0])

    @seconds.setter
    def seconds(self, value: float) -> None:
        _DOUBLE.pack_into(self._memory, 0, value)


async def _watch(longest: LongestTurn) -> None:
    while True:
        before = time.thread_time()
        await asyncio.sleep(TICK_SECONDS)
        longest.seconds = max(longest.seconds, time.thread_time() - before)


async def _serve(settings: Settings, roles: frozenset[str]) -> None:
    watching = asyncio.create_task(_watch(LongestTurn(Path(os.environ[FILE]))))
    try:
        await serve(settings, roles)
    finally:
        watching.cancel()


if __name__ == "__main__":
    with patch.object(command_line, "serve", _serve):
        sys.exit(command_line.main())
