"""The kubelet: built once like the control plane, from the same version of Kubernetes, and its configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from devstack import golang
from devstack.cache import cache_dir, cached
from devstack.controlplane import version_of

_MODULES = Path(__file__).with_name("kubelet_build")
PORT = 10250


def kubelet(say: Callable[[str], None] = print) -> Path:
    """The built program; builds it if it is missing: half a minute where the control plane was built, else minutes.

    A build of its own, so that a change of its pins leaves the control plane as it is.

    Raises:
        ServerError: no Go toolchain could be had, or the build failed.
    """
    return cached(_folder_name(), lambda folder: _build(folder, say)) / "bin" / "kubelet"


def is_built() -> bool:
    """Whether the kubelet of these pins is in the cache."""
    return (cache_dir() / _folder_name()).is_dir()


def _folder_name() -> str:
    return golang.folder_name(f"kubelet-{version_of('k8s.io/kubernetes')}", _MODULES)


def _build(folder: Path, say: Callable[[str], None]) -> None:
    go = golang.toolchain(_MODULES / "go.mod", say)
    kubernetes = version_of("k8s.io/kubernetes")
    say(f"building the kubelet {kubernetes} with {go} (once; half a minute where the control plane was built)")
    flags = f"-X k8s.io/component-base/version.gitVersion={kubernetes}"
    golang.build_tools(go, _MODULES, folder, "the kubelet", say, ldflags=flags)


def configuration(folder: Path, *, dns: str, runtime: Path) -> dict[str, Any]:
    """A KubeletConfiguration with all that the kubelet writes below `folder`.

    https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/

    Args:
        folder: the kubelet's own folder.
        dns: the address of the cluster's DNS server.
        runtime: the socket of the container runtime.
    """
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{runtime}",
        # nobody but the API server gets here: 127.0.0.1 of a network namespace whose one way in is a socket of root's
        "address": "127.0.0.1",
        "port": PORT,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "healthzPort": 0,
        "clusterDNS": [dns],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        # the root of a cgroup namespace of the node's own
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": "/",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # lowering it takes CAP_SYS_RESOURCE
        "makeIPTablesUtilChains": False,
        # a machine with little room must not have its pods evicted and its images removed
        "evictionHard": dict.fromkeys(("memory.available", "nodefs.available", "imagefs.available"), "0%"),
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "podLogsDir": str(folder / "logs"),
        "volumePluginDir": str(folder / "plugins"),
        # as fast as the machine
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 1000,
        "maxPods": 250,
    }
