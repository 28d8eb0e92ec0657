"""The servers that all runs share: a real broker with a listener for the proxy, and a real API server with its etcd.

Three brokers beside them start with the first run that asks for them.
"""

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from devstack.cluster import LocalCluster
from devstack.kafka import LocalKafka
from devstack.ports import free_port
from tests.faults.peers import PartedCluster


class TwoDoorKafka(LocalKafka):
    """A broker with a second listener, whose clients are told that it is at `proxy_port`.

    The suite's own clients use the first one and are spared the faults of the proxy.
    """

    def __init__(self, data_dir: Path, say: Callable[[str], None]) -> None:
        super().__init__(data_dir, say=say)
        self.port = self._port
        self.back_door_port = free_port()
        self.proxy_port = free_port()

    def _properties(self) -> str:
        doors = {
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},PROXIED://127.0.0.1:{self.back_door_port},"
            f"CONTROLLER://{self._quorum.controllers[self._node_id]}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers},PROXIED://127.0.0.1:{self.proxy_port}",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.segment.delete.delay.ms": "1000",  # topics of runs gone by
        }
        # of a key that is given twice, Java's Properties keep the last
        return super()._properties() + "".join(f"{key}={value}\n" for key, value in doors.items())


@dataclass(frozen=True)
class Stack:
    """What runs have in common; one run at a time."""

    kafka: TwoDoorKafka
    cluster: LocalCluster
    folder: Path
    kube_proxy_port: int
    _servers: contextlib.ExitStack
    _three: list[PartedCluster] = field(default_factory=list)

    def three_brokers(self) -> PartedCluster:
        """Return the three brokers, which start at the first call and end with the rest."""
        if not self._three:
            brokers = PartedCluster(self.folder / "three-brokers", say=lambda _: None)
            self._three.append(self._servers.enter_context(brokers))
        return self._three[0]

    @property
    def etcd_port(self) -> int:
        """Where the store behind the API server listens."""
        return self.cluster._etcd_port

    @property
    def proxied_bootstrap_servers(self) -> str:
        """Where the service under attack finds its broker."""
        return f"127.0.0.1:{self.kafka.proxy_port}"


@contextlib.contextmanager
def running(folder: Path, say: Callable[[str], None]) -> Iterator[Stack]:
    """Run the servers, data and logs in `folder`. No controllers: the suite itself plays the collector of Jobs."""
    with contextlib.ExitStack() as servers:
        kafka = servers.enter_context(TwoDoorKafka(folder / "kafka", say))
        cluster = servers.enter_context(LocalCluster(folder / "cluster", say=say))
        yield Stack(kafka, cluster, folder, free_port(), servers)


def new_run_name(chance: random.Random) -> str:
    """Return a name under which nothing exists yet: a part of topics, the group and namespaces."""
    return "r" + "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=7))
