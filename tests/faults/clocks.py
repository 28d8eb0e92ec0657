"""Wrong clocks: processes that see another time than the machine, by libfaketime (Debian's package of that name).

Their monotonic clock stays right, as it does on a machine whose wall clock is set.
"""

import os
from pathlib import Path
from typing import Final

from devstack.process import ServerError

LIBRARIES: Final = Path("/usr/lib")
WALL_CLOCK_ALONE: Final = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
"""With the second, which is what the library looks for, `time.sleep` fails; the service has none."""


def libfaketime() -> Path:
    """Return the library for programs with threads; raises ServerError where it is not installed."""
    found = sorted(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise ServerError("wrong clocks need libfaketime, which is not installed: apt-get install libfaketime")
    return found[0]


def java_clock(offset: str) -> dict[str, str]:
    """Return the variables with which a Java program sees a clock that is ahead or back, as of `Clock.set`."""
    # with the library's "fix" of the monotonic clock Kafka waits ten times as long as it means to
    return WALL_CLOCK_ALONE | {
        "LD_PRELOAD": str(libfaketime()),
        "FAKETIME": offset,
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }


class Clock:
    """The clock of one process of the service: right at first, and set by `set` while it runs."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process sees this clock."""
        return WALL_CLOCK_ALONE | {
            "LD_PRELOAD": str(libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
        }

    def set(self, offset: str) -> None:
        """Put the clock ahead or back: `+8d`, `-90s`, `+0` for the right time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        os.replace(new, self._file)  # noqa: PTH105 - a process must never read half a file
