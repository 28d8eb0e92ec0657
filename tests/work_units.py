"""Which tests stay together, and which begin first, when several processes share them (pytest-xdist).

A work unit is what one process runs in one go: a file, as its tests share servers and what they wrote there. Every
process has servers of its own for the rest (the fixtures of scope `session`), on ports that devstack gives away once.
"""

import os
from collections.abc import Mapping

from xdist.scheduler import LoadScopeScheduling

from tests.servers import GIVEN

TOGETHER = ("tests/node/", "tests/kueue/", "tests/kai/")
"""Folders that share a server that takes long to start: one unit each."""
LONGEST_FIRST = ("tests/node/", "tests/faults/", "tests/kueue/", "tests/chart/")
LAST = "tests/unit/"
"""What runs long begins early, and many short files fill what is left at the end."""


def work_unit(nodeid: str, environment: Mapping[str, str]) -> str:
    """The unit that a test belongs to.

    Servers that were given from outside are shared by all processes, and tests that look at all that is there would see
    each other's: whatever may use them is one unit.
    """
    if not nodeid.startswith(LAST) and any(environment.get(name) for name in GIVEN.values()):
        return "servers"
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::", 1)[0])


def place(nodeid: str) -> int:
    """Where a test stands in the order of a session that is shared."""
    if nodeid.startswith(LAST):
        return len(LONGEST_FIRST) + 1
    return next((i for i, folder in enumerate(LONGEST_FIRST) if nodeid.startswith(folder)), len(LONGEST_FIRST))


class Scheduler(LoadScopeScheduling):
    """Hands the units of a session to its processes, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return work_unit(nodeid, os.environ)
