"""One real node of a local control plane: started, filled with images, given GPUs, and ended without a trace."""

import contextlib
import dataclasses
import json
import os
import shutil
import sys
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from devstack.api import AdminApi
from devstack.node import cgroups, images, registry
from devstack.node.containerd import PAUSE_REPOSITORY
from devstack.node.kubelet import kubelet
from devstack.node.machine import missing, program
from devstack.node.settings import NodeSettings
from devstack.process import Process, ServerError

_LONGEST_SOCKET_PATH = 107  # unix(7): sun_path
_CLAIMS = Path("/tmp/hostpath_pv")  # noqa: S108 - where kube-controller-manager makes folders for claims, fixed


class LocalNode:
    """A kubelet with containerd and runc, and 127.0.0.1 of the machine out of its pods' reach but for the ports given.

    Args:
        folder: what the node shares with the machine (sockets, images, log); made if it is missing.
        gpus: how many `nvidia.com/gpu` it says to have; no device is behind them.
        labels: of the node, beside those of the kubelet.
        machine_ports: ports of 127.0.0.1 of the machine that pods reach at the node's address (`cni.NODE`).
        say: where progress is reported.

    Raises:
        ServerError: this machine cannot run a node; the message says what it lacks.
    """

    def __init__(
        self,
        folder: Path,
        *,
        gpus: int = 8,
        labels: Mapping[str, str] | None = None,
        machine_ports: Sequence[int] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        if reason := missing():
            raise ServerError(reason)
        self.name = "node-1"
        self.log = folder / "node.log"
        self._folder = folder.resolve()
        self._gpus = gpus
        self._labels = {"run.ai/type": "gpu", **(labels or {})}
        self._ports = list(machine_ports)
        self._say = say
        self._cgroup = cgroups.name_for(os.getpid())
        self._process: Process | None = None
        self._api: AdminApi | None = None

    @property
    def api_server_socket(self) -> Path:
        """Where the API server finds its way to the node's kubelet and pods: `egress` of a `LocalCluster`."""
        return self._folder / "api.sock"

    @property
    def pid(self) -> int:
        """Process 1 of the node, as the machine numbers it: its namespaces and files are below `/proc/<pid>`."""
        outside = self._process.pid if self._process else 0
        (inside,) = Path(f"/proc/{outside}/task/{outside}/children").read_text().split()
        return int(inside)

    @property
    def _registry(self) -> Path:
        return self._folder / "registry"

    def publish(self, image: images.Image, *repositories: str) -> None:
        """Let pods have an image under these names: `run-ai-demo/quickstart`, `library/busybox` for `busybox`."""
        registry.publish(self._registry, image, *repositories)

    def deny(self, repository: str) -> None:
        """Have the registry refuse to give an image of this name."""
        registry.deny(self._registry, repository)

    def start(self, api: AdminApi) -> Self:
        """Start the node of an API server and wait until it is ready for pods.

        Raises:
            ServerError: something could not be built or did not start.
        """
        if len(str(self.api_server_socket)) > _LONGEST_SOCKET_PATH:
            raise ServerError(
                f"{self.api_server_socket} is longer than a socket's path may be ({_LONGEST_SOCKET_PATH} "
                "characters): choose a shorter data folder"
            )
        self._api = api
        settings = self._settings(api, kubelet(self._say))
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "settings.json"
        file.write_text(json.dumps(dataclasses.asdict(settings)))
        file.chmod(0o600)
        self.api_server_socket.unlink(missing_ok=True)
        pause = images.pack(programs=["sleep"], Cmd=["/bin/sleep", "infinity"])
        registry.publish(self._registry, pause, PAUSE_REPOSITORY)
        cgroups.sweep()
        cgroups.create(self._cgroup)
        namespaces = ("--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts")
        command = [program("unshare"), *namespaces, sys.executable, "-m", "devstack.node.supervisor", str(file)]
        try:
            self._process = Process("the node", command, self.log).wait_until(self._is_ready)
            self._add_gpus(api)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the node with all its pods at once, and remove what it left on the machine."""
        if self._process:
            self._process.kill()
            self._process = None
        cgroups.remove(self._cgroup)
        if self._api:
            _remove_claims(self._api)
            self._api = None

    def _settings(self, api: AdminApi, kubelet_program: Path) -> NodeSettings:
        return NodeSettings(
            name=self.name,
            folder=str(self._folder),
            cgroup=self._cgroup,
            kubelet=str(kubelet_program),
            labels=self._labels,
            api_url=api.url,
            token=api.token,
            ca_file=str(api.ca_file.resolve() if api.ca_file else ""),
            api_server_socket=str(self.api_server_socket),
            registry=str(self._registry),
            machine_ports=self._ports,
        )

    def _is_ready(self) -> bool:
        assert self._api  # noqa: S101 - set before the process starts
        try:
            node = self._api.request("GET", f"/api/v1/nodes/{self.name}")
        except urllib.error.HTTPError:
            return False
        conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", ())}
        return conditions.get("Ready") == "True"

    def _add_gpus(self, api: AdminApi) -> None:
        """GPUs as an extended resource, which the scheduler counts.

        https://kubernetes.io/docs/tasks/administer-cluster/extended-resource-node/
        """
        resources = {"nvidia.com/gpu": str(self._gpus)}
        body = {"status": {"capacity": resources, "allocatable": resources}}
        api.request("PATCH", f"/api/v1/nodes/{self.name}/status", body)


def _remove_claims(api: AdminApi) -> None:
    """Remove the folders that kube-controller-manager made on the machine for claims; the node's own are gone."""
    with contextlib.suppress(OSError):  # an API server that is gone too, or a folder that another cluster still uses
        for volume in api.request("GET", "/api/v1/persistentvolumes")["items"]:
            folder = Path(volume["spec"].get("hostPath", {}).get("path", "/"))
            if folder.parent == _CLAIMS:
                shutil.rmtree(folder, ignore_errors=True)
        _CLAIMS.rmdir()
