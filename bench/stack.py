"""The servers of a measurement: a real broker, and a real etcd and API server without controllers, fresh and empty."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.jobs import NAMESPACE
from bench.processes import Service
from devstack.cluster import LocalCluster
from devstack.kafka import LocalKafka

PARTITIONS = 6


@dataclass(frozen=True)
class Stack:
    """What runs, and where its data and logs are."""

    kafka: LocalKafka
    cluster: LocalCluster
    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the settings of a service with topics and a group of its own."""
        run = next(self.numbers)
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KUBE_CONFIG_FILE": str(self.cluster.kubeconfig),
            "TOPICS_PARTITIONS": str(PARTITIONS),
            "TOPICS_SUBMISSIONS": f"submissions-{run}",
            "TOPICS_OUTCOMES": f"outcomes-{run}",
            "TOPICS_DEAD_LETTERS": f"dead-letters-{run}",
            "CONSUMER_GROUP": f"group-{run}",
        } | settings

    @contextlib.asynccontextmanager
    async def service(self, role: str, environment: Mapping[str, str]) -> AsyncIterator[Service]:
        """Run one role until the block ends."""
        log = self.folder / f"{role}-{next(self.numbers)}.log"
        service = await asyncio.to_thread(Service, role, environment, log)
        try:
            yield service
        finally:
            await asyncio.to_thread(service.stop)

    @contextlib.asynccontextmanager
    async def both(self, environment: Mapping[str, str]) -> AsyncIterator[tuple[Service, Service]]:
        """Run one ingress and one consumer."""
        async with self.service("consumer", environment) as consumer, self.service("ingress", environment) as ingress:
            yield ingress, consumer


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Run the servers with their data and logs in `folder`."""
    with LocalKafka(folder / "kafka", say=_quiet) as kafka, LocalCluster(folder / "cluster", say=_quiet) as cluster:
        cluster.api.make_namespace(NAMESPACE)
        yield Stack(kafka, cluster, folder)


def _quiet(_: str) -> None:
    """Say nothing: the harness has its own progress."""
