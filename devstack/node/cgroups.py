"""A cgroup of the node's own in each hierarchy of the machine, which becomes the root of what the node sees.

With version 1 each controller has a hierarchy of its own, with version 2 there is one for all (cgroups(7)).
"""

import contextlib
import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "devstack-node-"
_SUPERVISOR = "supervisor"


@dataclass(frozen=True)
class Hierarchy:
    """A mounted hierarchy.

    Attributes:
        folder: where it is mounted.
        version: 1 or 2.
        options: what mounts it again (version 1): its controllers or its name.
    """

    folder: Path
    version: int
    options: str = ""


def hierarchies(mount_info: str) -> list[Hierarchy]:
    """The hierarchies with controllers in the text of a `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

    Where version 1 holds the controllers, a mount of version 2 beside it (systemd's hybrid mode) has none and is left.
    """
    first, second = [], []
    for line in mount_info.splitlines():
        before, _, after = line.partition(" - ")
        folder, (kind, _, options) = Path(before.split()[4]), after.split()
        if kind == "cgroup":
            controllers = [each for each in options.split(",") if each not in ("rw", "ro", "xattr")]
            named = any(each.startswith("name=") for each in controllers)
            kept = [each for each in controllers if not each.startswith(("release_agent=", "clone_children"))]
            first.append(Hierarchy(folder, 1, ",".join((["none"] if named else []) + kept)))
        elif kind == "cgroup2":
            second.append(Hierarchy(folder, 2))
    return first or second


def here() -> list[Hierarchy]:
    """The hierarchies of this machine."""
    return hierarchies(Path("/proc/self/mountinfo").read_text())


def name_for(owner: int) -> str:
    """The name of the cgroups of a node that the process `owner` has started."""
    return f"{_PREFIX}{owner}-{os.urandom(3).hex()}"


def create(name: str) -> None:
    """Make the node's cgroup in each hierarchy."""
    for hierarchy in here():
        if hierarchy.version == 2:
            _delegate(hierarchy.folder)
        folder = hierarchy.folder / name
        folder.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # empty in version 1, and no process may enter then
            if hierarchy.version == 1 and (folder / file).exists():
                (folder / file).write_text((hierarchy.folder / file).read_text())


def enter(name: str) -> list[Hierarchy]:
    """Move this process into the node's cgroups; a new cgroup namespace then has them as its roots."""
    entered = here()
    for hierarchy in entered:
        (hierarchy.folder / name / "cgroup.procs").write_text("0")  # the writer itself, whatever its number is here
    return entered


def delegate_root(root: Path) -> None:
    """Let the cgroups below the root of a namespace (version 2) have all controllers: nobody may be in it then."""
    _move_into(root, _SUPERVISOR, "0")
    _enable_controllers(root)


def remove(name: str) -> None:
    """Remove the node's cgroups; its processes are dead or about to be."""
    for hierarchy in here():
        deadline = time.monotonic() + 5
        while not _remove_tree(hierarchy.folder / name) and time.monotonic() < deadline:
            time.sleep(0.02)


def sweep() -> None:
    """Remove what nodes have left whose owner is gone: a kill -9 leaves empty cgroups behind."""
    for hierarchy in here():
        for folder in hierarchy.folder.glob(f"{_PREFIX}*"):
            owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path("/proc", owner).exists():
                _remove_tree(folder)


def _remove_tree(folder: Path) -> bool:
    """Remove a cgroup with those below it; whether it is gone."""
    for current, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # a process in it is not dead yet, or the kernel was faster
            Path(current).rmdir()
    return not folder.exists()


def _delegate(root: Path) -> None:
    """Let the cgroups of the machine's root (version 2) have all controllers.

    In a container that root is a cgroup like others: processes in it have to make room (kernel's cgroup-v2.rst, "No
    Internal Process Constraint").
    """
    try:
        _enable_controllers(root)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        for process in (root / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                _move_into(root, "init", process)
        _enable_controllers(root)


def _enable_controllers(root: Path) -> None:
    controllers = (root / "cgroup.controllers").read_text().split()
    (root / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in controllers))


def _move_into(root: Path, child: str, process: str) -> None:
    (root / child).mkdir(exist_ok=True)
    try:
        (root / child / "cgroup.procs").write_text(process)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise
        raise ProcessLookupError(error.errno, error.strerror) from error
