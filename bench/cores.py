"""Which cores processes run on (sched_setaffinity(2)), for measuring beside something that has one of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def spare_core() -> Iterator[frozenset[int]]:
    """Keep this process and all that it has started, or starts while the block runs, off one core; give that core.

    On a machine with one core nothing is kept off it.
    """
    cores = frozenset(os.sched_getaffinity(0))
    spare = frozenset({max(cores)})
    _keep_all_to(cores - spare or cores)
    try:
        yield spare
    finally:
        _keep_all_to(cores)


def _keep_all_to(cores: frozenset[int]) -> None:
    for pid in family(os.getpid()):
        with suppress(FileNotFoundError):  # it has ended
            keep_to(pid, cores)


def keep_to(pid: int, cores: frozenset[int]) -> None:
    """Let all threads of a process run on these cores only, and what it starts from now on."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


def family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants (proc_pid_stat(5), ppid)."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    generation = {pid}
    while generation:
        yield from generation
        generation = {child for child, parent in parents.items() if parent in generation}
