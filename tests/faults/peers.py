"""Three brokers whose traffic among themselves passes relays, so that one can be cut off from its peers.

Clients reach every broker all the same. A relay stands in front of what a broker's peers connect to: its listener for
replication and its controller.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

from devstack.kafka_cluster import KafkaCluster
from devstack.ports import free_port
from tests.faults.relays import Route


class PartedCluster(KafkaCluster):
    """Three brokers of which one at a time can be cut off from the two others."""

    def __init__(self, data_dir: Path, say: Callable[[str], None] = print) -> None:
        super().__init__(data_dir, say=say)
        quorum = self.brokers[0]._quorum.controllers
        controllers = {node: Route(free_port(), node, int(at.rpartition(":")[2])) for node, at in quorum.items()}
        peers = {node: Route(free_port(), node, free_port()) for node in quorum}
        voters = ",".join(f"{node}@127.0.0.1:{route.relay}" for node, route in controllers.items())
        for node, broker in enumerate(self.brokers, 1):
            clients = f"PLAINTEXT://{broker.bootstrap_servers}"
            broker._settings |= {
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PEERS:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "listeners": f"{clients},PEERS://127.0.0.1:{peers[node].port},CONTROLLER://{quorum[node]}",
                "advertised.listeners": f"{clients},PEERS://127.0.0.1:{peers[node].relay},"
                f"CONTROLLER://127.0.0.1:{controllers[node].relay}",
                "inter.broker.listener.name": "PEERS",
                "controller.quorum.voters": voters,
            }
        self._routes = [*controllers.values(), *peers.values()]
        self._relays: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        # a process of its own: what brokers write to each other must not wait for a busy test
        command = [sys.executable, "-m", "tests.faults.relays", json.dumps(self._routes)]
        self._relays = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._relays.stdout is not None
        assert self._relays.stdout.readline() == "listening\n"
        try:
            return super().__enter__()
        except BaseException:
            self._end_relays()
            raise

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._end_relays()

    def isolate(self, node: int) -> None:
        """Cut a broker off from its peers, which it goes on serving clients without."""
        self._command(node)

    def rejoin(self) -> None:
        """Let all brokers reach each other again."""
        self._command(None)

    def _command(self, isolated: int | None) -> None:
        assert self._relays is not None
        assert self._relays.stdin is not None
        processes = {node: broker._process.pid for node, broker in enumerate(self.brokers, 1) if broker._process}
        self._relays.stdin.write(json.dumps({"isolated": isolated, "processes": processes}) + "\n")
        self._relays.stdin.flush()

    def _end_relays(self) -> None:
        assert self._relays is not None
        self._relays.communicate()  # the end of its input
