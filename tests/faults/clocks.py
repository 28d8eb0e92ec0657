"""Wrong clocks: processes that see another time than the machine, by libfaketime (Debian's package `faketime`).

Their monotonic clock stays right, as it does on a machine whose wall clock is set.
"""

import os
from pathlib import Path
from typing import Final

from devstack.process import ServerError

LIBRARIES: Final = Path("/usr/lib")
CACHE_SECONDS: Final = 1
"""How soon a clock that is set shows in the process."""


def libfaketime() -> Path:
    """Return the library for programs with threads; raises ServerError where it is not installed."""
    found = sorted(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise ServerError("wrong clocks need libfaketime, which is not installed: apt-get install libfaketime")
    return found[0]


class Clock:
    """The clock of one process or of several: right at first, and set by `set`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process sees this clock."""
        return {
            "LD_PRELOAD": str(libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(CACHE_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # with it a Java program waits ten times as long as it means to
            "FAKETIME_DONT_RESET": "1",  # a child sees the same time as its parent
        }

    def set(self, offset: str) -> None:
        """Put the clock ahead or back: `+8d`, `-90s`, `+0` for the right time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        os.replace(new, self._file)  # noqa: PTH105 - a process must never read half a file
