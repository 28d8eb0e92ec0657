"""A CPython of the version that the image runs on, for machines that have another one: its tests run on both.

The machine's own where there is one; else the build that JavaCPP publishes in Maven Central (org.bytedeco:cpython), as
PyPI has no interpreters and most distributions have one version alone.
"""

import platform
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from devstack import maven
from devstack.cache import cached
from devstack.process import ServerError

PYTHON_VERSION = "3.13"
_ARTIFACT = "org.bytedeco:cpython:3.13.5-1.5.12"
_PLATFORMS = {
    ("Linux", "x86_64"): "linux-x86_64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "arm64"): "macosx-arm64",
    ("Darwin", "x86_64"): "macosx-x86_64",
}


def image_python(say: Callable[[str], None] = print) -> Path:
    """The interpreter's path.

    Raises:
        ServerError: there is none for this machine, or it could not be fetched.
    """
    if machines := _machines():
        return machines
    here = platform.system(), platform.machine()
    if here not in _PLATFORMS:
        raise ServerError(f"there is no Python {PYTHON_VERSION} on the PATH, and none to fetch for {' '.join(here)}")
    inside = f"org/bytedeco/cpython/{_PLATFORMS[here]}/"

    def unpack(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as repository:
            what = f"CPython {PYTHON_VERSION}"
            jar = maven.fetch(f"{_ARTIFACT}:{_PLATFORMS[here]}", Path(repository), what, 26, say)
            with zipfile.ZipFile(jar) as archive:
                archive.extractall(folder, [name for name in archive.namelist() if name.startswith(inside)])
        for program in (folder / inside / "bin").iterdir():
            program.chmod(0o755)  # jars keep no modes

    name = f"python-{_ARTIFACT.rpartition(':')[2]}-{_PLATFORMS[here]}"
    return cached(name, unpack) / inside / "bin" / f"python{PYTHON_VERSION}"


def _machines() -> Path | None:
    """The machine's own, where it runs: pyenv puts programs on the PATH that only say which versions there are."""
    command = [f"python{PYTHON_VERSION}", "-c", "import sys; print(sys.executable)"]
    if shutil.which(command[0]) is None:
        return None
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if found.returncode else Path(found.stdout.strip())
