"""What a node is told by whoever starts it, and the addresses that are the same in each."""

from dataclasses import dataclass

# in the range of Services that `devstack.cluster` gives its API server
SERVICES = "10.96.0.0/16"
API_SERVICE = ("10.96.0.1", 443)
DNS = "10.96.0.10"
REGISTRY_PORT = 5000


@dataclass(frozen=True)
class NodeSettings:
    """Written by `LocalNode`, read by the processes in the node.

    Attributes:
        name: of the node.
        folder: what the node shares with the machine.
        cgroup: the name of its cgroups.
        kubelet: the kubelet's program.
        labels: of the node.
        api_url: the API server, at 127.0.0.1 of the machine.
        token: the administrator's.
        ca_file: the authority of the API server's certificate.
        api_server_socket: where the API server asks for its way to nodes and pods.
        registry: the folder of published images.
        machine_ports: ports of 127.0.0.1 of the machine that pods reach at the node's address.
    """

    name: str
    folder: str
    cgroup: str
    kubelet: str
    labels: dict[str, str]
    api_url: str
    token: str
    ca_file: str
    api_server_socket: str
    registry: str
    machine_ports: list[int]
