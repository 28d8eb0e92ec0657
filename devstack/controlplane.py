"""The Kubernetes control plane's programs, built once from the Go modules pinned in `control_plane/`, in the cache.

The cache's folder holds `bin/` (kube-apiserver, kube-controller-manager, kube-scheduler, etcd, kwok, helm) and
`stages.yaml` (kwok's lifecycle of nodes and pods). Its name is derived from the modules' versions: a new pin is a new
build.
"""

import re
from collections.abc import Callable
from pathlib import Path

from devstack import golang
from devstack.cache import cache_dir, cached
from devstack.process import ServerError

_MODULES = Path(__file__).with_name("control_plane")
_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/general/pod-create.yaml",
    "pod/general/pod-ready.yaml",
    "pod/general/pod-complete.yaml",
    "pod/general/pod-delete.yaml",
)


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
    version = version_of("k8s.io/kubernetes")
    return golang.folder_name(f"control-plane-{version}", _MODULES, "\n".join(_STAGES))


def _build(folder: Path, say: Callable[[str], None]) -> None:
    go = golang.toolchain(_MODULES / "go.mod", say)
    kubernetes = version_of("k8s.io/kubernetes")
    say(f"building the Kubernetes {kubernetes} control plane with {go} (once; about ten minutes on two cores)")
    # a client cannot parse the version that a build without this reports
    flags = f"-X k8s.io/component-base/version.gitVersion={kubernetes}"
    bin_dir = golang.build_tools(go, _MODULES, folder, "the control plane", say, ldflags=flags)
    (bin_dir / "server").rename(bin_dir / "etcd")  # go names it after the last part of go.etcd.io/etcd/server
    kwok = golang.module(go, "sigs.k8s.io/kwok", folder)
    stages = [(kwok / "kustomize" / "stage" / stage).read_text() for stage in _STAGES]
    (folder / "stages.yaml").write_text("\n---\n".join(stages))
