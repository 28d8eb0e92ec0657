"""Which cores processes are kept to while something is measured beside them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cores import family, keep_to, spare_core

WAIT = "import sys, threading; threading.Thread(target=sys.stdin.read).start(); print(1, flush=True); sys.stdin.read()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """Give a process with two threads."""
    command = [sys.executable, "-c", WAIT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        yield process
        process.kill()


def cores_of(pid: int) -> set[frozenset[int]]:
    """Return the cores of each thread."""
    return {frozenset(os.sched_getaffinity(int(thread.name))) for thread in Path(f"/proc/{pid}/task").iterdir()}


def test_a_process_and_what_it_has_started_are_a_family(child):
    assert {os.getpid(), child.pid} <= set(family(os.getpid()))
    assert list(family(child.pid)) == [child.pid]


def test_all_threads_of_a_process_are_kept_to_a_core(child):
    core = frozenset({min(os.sched_getaffinity(0))})
    keep_to(child.pid, core)
    assert cores_of(child.pid) == {core}


def test_a_core_is_kept_free_of_everybody_while_the_block_runs(child):
    before = frozenset(os.sched_getaffinity(0))
    with spare_core() as core:
        left = before - core or before
        assert (len(core), cores_of(child.pid), frozenset(os.sched_getaffinity(0))) == (1, {left}, left)
    assert (cores_of(child.pid), frozenset(os.sched_getaffinity(0))) == ({before}, before)
