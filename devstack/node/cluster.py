"""A control plane with one real node: a Job's pods run, claims get folders, Services have names."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from devstack.api import AdminApi
from devstack.cluster import LocalCluster
from devstack.node.local_node import LocalNode

_STORAGE_CLASS = {
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/host-path",
}


class RealCluster:
    """The local control plane and a node in `data_dir`, started and stopped together.

    Args:
        data_dir: the folder of all data and logs; made if it is missing.
        audit_log: as of `LocalCluster`.
        machine_ports: ports of 127.0.0.1 that pods reach at the node's address.
        say: where progress is reported.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        audit_log: Path | None = None,
        machine_ports: Sequence[int] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        self.node = LocalNode(data_dir / "node", machine_ports=machine_ports, say=say)
        self.control_plane = LocalCluster(
            data_dir / "kubernetes",
            controllers=True,
            audit_log=audit_log,
            node_socket=self.node.api_server_socket,
            say=say,
        )

    @property
    def api(self) -> AdminApi:
        """An administrator's way in."""
        return self.control_plane.api

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file with the admin's token."""
        return self.control_plane.kubeconfig

    def start(self) -> Self:
        """Start both and wait until pods can run.

        Raises:
            ServerError: something could not be built or did not start.
        """
        self.control_plane.start()
        try:
            self.node.start(self.api)
            self.api.ensure("/apis/storage.k8s.io/v1/storageclasses", _STORAGE_CLASS)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End both."""
        self.node.stop()
        self.control_plane.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
