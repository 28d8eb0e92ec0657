"""The user's cache of what is fetched or built once: Kafka's jars, the control plane, a Go toolchain."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_dir() -> Path:
    """`$XDG_CACHE_HOME/job-submission-devstack`, by default below `~/.cache` (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "job-submission-devstack"


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The cache's folder `name`, filled by `make` if it is not there.

    `make` gets an empty folder that becomes visible under its name only when it is complete, so that an interrupted or
    failed `make` leaves nothing behind. Processes that want the same folder wait for the one that makes it.
    """
    folder = cache_dir() / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock, contextlib.ExitStack() as cleanup:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel lets go of it when this process ends, however it ends
        if folder.is_dir():
            return folder
        fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
        cleanup.callback(shutil.rmtree, fresh, ignore_errors=True)
        make(fresh)
        fresh.rename(folder)
    return folder
