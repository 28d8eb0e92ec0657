"""What a machine needs to run a node: Linux, root, and programs of its distribution."""

import os
import shutil
import sys

PACKAGES = {"containerd": "containerd", "runc": "runc", "ip": "iproute2", "unshare": "util-linux", "mount": "mount"}
# where distributions put them, for users whose PATH has no sbin folders
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def missing() -> str | None:
    """One sentence that says why no node can run on this machine and what helps; None where one can."""
    if sys.platform != "linux":
        return f"a real node needs Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return "a real node needs root (namespaces, mounts and cgroups), and this is another user"
    absent = [program for program in PACKAGES if shutil.which(program, path=_PATH) is None]
    if absent:
        packages = " ".join(PACKAGES[program] for program in absent)
        return (
            f"a real node needs {', '.join(absent)}: install the distribution's packages, "
            f"as with `apt-get install --no-install-recommends {packages}`"
        )
    return None


def program(name: str) -> str:
    """The path of one of the programs in `PACKAGES`, which `missing` has seen."""
    return shutil.which(name, path=_PATH) or name


def search_path() -> str:
    """The PATH for the node's processes."""
    return _PATH
