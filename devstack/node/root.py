"""The node's file systems: a copy of the machine's, made by overlays whose changes are in memory.

What a pod does to a host path is done to that copy.
"""

import os
import subprocess
from pathlib import Path

from devstack.node import cgroups, syscalls

_OWN = ("/proc", "/sys", "/dev", "/run", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
# what a kubelet wants of the kernel and would write, for the whole machine (setupKernelTunables in
# pkg/kubelet/cm/container_manager_linux.go); it is shown that all is well already
_KERNEL_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}


def enter(folder: Path, hierarchies: list[cgroups.Hierarchy]) -> None:
    """Make the node's root the root of this process, in mount, process and cgroup namespaces of its own.

    Args:
        folder: where the node keeps what others see too (sockets, published images); it stays as it is.
        hierarchies: what the processes are grouped by, mounted anew as seen from their cgroup namespace.
    """
    others = _other_mounts(Path("/proc/self/mountinfo").read_text(), folder)
    base = folder / "root"
    base.mkdir(exist_ok=True)
    syscalls.mount("node", base, "tmpfs", options="mode=755")
    root = base / "merged"
    root.mkdir()
    _overlay(Path("/"), root, base / "0")
    for number, mount in enumerate(others, 1):
        target = root / mount.relative_to("/")
        if target.exists():
            _show(mount, target, base / str(number))
    shared = root / folder.relative_to("/")
    shared.mkdir(parents=True, exist_ok=True)
    syscalls.bind(folder, shared)
    syscalls.mount("proc", root / "proc", "proc")
    syscalls.mount("sysfs", root / "sys", "sysfs")
    syscalls.bind(Path("/dev"), root / "dev", recursive=True)
    syscalls.mount("tmpfs", root / "dev" / "shm", "tmpfs", options="mode=1777")
    syscalls.mount("tmpfs", root / "run", "tmpfs", options="mode=755")
    _mount_cgroups(root, hierarchies)
    _show_kernel_settings(root)
    before = root / "run" / "before"
    before.mkdir()
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "run/before"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "--lazy", "/run/before"], check=True)
    Path("/run/before").rmdir()


def _show(mount: Path, target: Path, changes: Path) -> None:
    """Show a further file system as a copy; read-only where it is a file or of a kind that no overlay takes."""
    if mount.is_dir():
        try:
            return _overlay(mount, target, changes)
        except OSError:
            pass
    syscalls.bind(mount, target, read_only=True)
    return None


def _overlay(lower: Path, target: Path, changes: Path) -> None:
    upper, work = changes / "upper", changes / "work"
    for each in (upper, work):
        each.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    syscalls.mount("node", target, "overlay", options=options)


def _other_mounts(mount_info: str, folder: Path) -> list[Path]:
    """The mount points of further file systems, outermost first (proc_pid_mountinfo(5))."""
    found = []
    for line in mount_info.splitlines():
        mount = Path(line.split()[4].encode().decode("unicode_escape"))
        if mount != Path("/") and not any(mount.is_relative_to(own) for own in _OWN):
            found.append(mount)
    return sorted({mount for mount in found if not mount.is_relative_to(folder)}, key=lambda each: len(each.parts))


def _mount_cgroups(root: Path, hierarchies: list[cgroups.Hierarchy]) -> None:
    top = root / "sys" / "fs" / "cgroup"
    if hierarchies[0].version == 2:
        syscalls.mount("cgroup2", top, "cgroup2")
        cgroups.delegate_root(top)
        return
    syscalls.mount("tmpfs", top, "tmpfs", options="mode=755")
    for hierarchy in hierarchies:
        target = root / hierarchy.folder.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        syscalls.mount("cgroup", target, "cgroup", options=hierarchy.options)


def _show_kernel_settings(root: Path) -> None:
    shown = root / "run" / "kernel-settings"
    shown.mkdir()
    for name, value in _KERNEL_SETTINGS.items():
        file = shown / name.replace("/", "-")
        file.write_text(f"{value}\n")
        syscalls.bind(file, root / "proc" / "sys" / name)
