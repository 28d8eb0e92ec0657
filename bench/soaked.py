"""The service with a count of what it has: `python -m bench.soaked ROLE`, written to the file in `SOAK_COUNTS`.

At SIGUSR1 it collects garbage and gives back what malloc holds free, and counts once more into a file beside it: what
the memory falls by was no leak.

What it is to forget it forgets within a minute: its topics have segments of half a minute in place of a day, as brokers
delete whole ones and what a topic holds is remembered; it looks as often for outcomes that are deleted, and a watcher
for histories that are over. What is kept by number, whatever the time, is full from the beginning.
"""

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final
from unittest.mock import patch

from service import __main__ as command_line
from service import watcher
from service.bootstrap import serve
from service.broker import outcome_log, topics
from service.kube import client
from service.settings import Settings
from service.submission.identity import SubmissionId
from service.views import duplicates

FILE: Final = "SOAK_COUNTS"
TIDY: Final = ".tidy"
"""How the name of the file ends that is written at SIGUSR1."""
COUNT_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 30


class _MallInfo(ctypes.Structure):
    """What `mallinfo2` of glibc tells of malloc, in bytes and numbers: mallinfo(3)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def _mallinfo() -> Callable[[], _MallInfo] | None:
    """Return the function, which there is in glibc from 2.33 on."""
    function = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if function is not None:
        function.restype = _MallInfo
    return function


def counts(mallinfo: Callable[[], _MallInfo] | None) -> dict[str, float]:
    """Return the tasks, the memory in use by Python's own allocator in blocks, and by malloc in MiB (0: not known).

    What is in use is what somebody keeps; what the process has of the system beside it is what was in use once.
    """
    info = mallinfo() if mallinfo else _MallInfo()
    return {
        "tasks": len(asyncio.all_tasks()) - 1,
        "blocks": sys.getallocatedblocks(),
        "malloc": (info.uordblks + info.hblkhd) / 2**20,
    }


def _tidy_up(file: Path, mallinfo: Callable[[], _MallInfo] | None) -> None:
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc: malloc_trim(3)
    if trim is not None:
        trim(0)
    half = file.with_suffix(".half")
    half.write_text(json.dumps(counts(mallinfo)))
    half.replace(file.with_suffix(TIDY))


async def _count(file: Path) -> None:
    mallinfo = _mallinfo()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tidy_up, file, mallinfo)
    while True:
        new = file.with_suffix(".new")
        await asyncio.to_thread(new.write_text, json.dumps(counts(mallinfo)))
        await asyncio.to_thread(new.replace, file)
        await asyncio.sleep(COUNT_SECONDS)


def _fill_caches() -> None:
    for number in range(5000):  # more than any of them holds
        _ = SubmissionId("/api/job/users/john/projects/team-a", f"{number:036}").key
        client._path("jobs", "runai-team-a", f"job-{number:012}", "")  # noqa: SLF001 - its cache is full then


async def _serve(settings: Settings, roles: frozenset[str]) -> None:
    counting = asyncio.create_task(_count(Path(os.environ[FILE])))
    try:
        await serve(settings, roles)
    finally:
        counting.cancel()


if __name__ == "__main__":
    with (
        patch.object(command_line, "serve", _serve),
        patch.object(topics, "DAY_MS", FORGET_SECONDS * 1000),
        patch.object(watcher, "EXPIRE_SECONDS", FORGET_SECONDS),
        patch.object(outcome_log, "REMEMBERED", 100),
        patch.object(duplicates, "EXPIRE_EVERY", FORGET_SECONDS // duplicates.UPKEEP_SECONDS),
    ):
        _fill_caches()
        sys.exit(command_line.main())
