"""The system calls of namespaces and mounts, which Python has from 3.12 on or not at all; they raise OSError."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

# include/uapi/linux/sched.h
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWNET = 0x40000000
# include/uapi/linux/mount.h
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC = 0x1, 0x20, 0x1000, 0x4000


def unshare(flags: int) -> None:
    """Put this process into new namespaces (unshare(2))."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Put this thread into the namespace of an open descriptor (setns(2))."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str | Path, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, made for its mount point (mount(2))."""
    arguments = (str(source), str(target), kind or None, flags, options or None)
    encoded = [each.encode() if isinstance(each, str) else each for each in arguments]
    _check(_libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[4]), f"mount {target}")


def bind(source: Path, target: Path, *, recursive: bool = False, read_only: bool = False) -> None:
    """Show a folder or file at a second place."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))
    if read_only:
        mount(source, target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


@contextmanager
def network_of(descriptor: int | None) -> Iterator[None]:
    """Make sockets in another network namespace: one made in the block stays there for good. None: in this one."""
    if descriptor is None:
        yield
        return
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        setns(descriptor, CLONE_NEWNET)
        try:
            yield
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
