"""The image's Python for the tests: the machine's where it has one that runs, else one out of Maven Central."""

import platform
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from devstack import maven, python
from devstack.process import ServerError

ROOT = Path(__file__).parents[2]
FOLDER = "org/bytedeco/cpython/linux-x86_64"


def program(folder: Path, script: str) -> Path:
    file = folder / f"python{python.PYTHON_VERSION}"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of a known kind with a cache of its own and nothing but the test's programs on the PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.fixture
def artifact(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(coordinate: str, folder: Path, *_: object) -> Path:
        assert coordinate == f"{python._ARTIFACT}:linux-x86_64"
        jar = folder / "cpython.jar"
        with zipfile.ZipFile(jar, "w") as archive:
            archive.writestr(f"{FOLDER}/bin/python{python.PYTHON_VERSION}", "#!/bin/sh\necho it runs\n")
            archive.writestr("META-INF/MANIFEST.MF", "")
        return jar

    monkeypatch.setattr(maven, "fetch", fetch)


def test_the_version_is_that_of_the_image() -> None:
    assert re.findall(r"ARG PYTHON=python:(\d+\.\d+)", (ROOT / "Dockerfile").read_text()) == [python.PYTHON_VERSION]


def test_the_machines_own_is_taken(tmp_path: Path) -> None:
    program(tmp_path, "echo /opt/python/bin/python")
    assert python.image_python(pytest.fail) == Path("/opt/python/bin/python")


@pytest.mark.usefixtures("artifact")
@pytest.mark.parametrize("has_shim", [True, False])
def test_a_name_on_the_path_that_does_not_run_is_none(tmp_path: Path, has_shim: bool) -> None:
    if has_shim:
        program(tmp_path, "echo 'pyenv: command not found' >&2; exit 127")
    found = python.image_python(print)
    assert found.is_relative_to(tmp_path / "cache")
    assert (
        subprocess.run([found], env={"PATH": "/bin:/usr/bin"}, capture_output=True, check=True).stdout == b"it runs\n"
    )
    assert not list((tmp_path / "cache").rglob("MANIFEST.MF"))


def test_a_machine_for_which_there_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ServerError, match=r"no Python 3\.13 on the PATH, and none to fetch for Linux riscv64"):
        python.image_python()
