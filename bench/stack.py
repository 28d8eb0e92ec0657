"""The servers of a measurement and the service on them, with the CPU and memory of each process.

A real broker, and a real etcd and API server without controllers, all fresh and empty.
"""

import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.jobs import NAMESPACE
from devstack.api import kubeconfig
from devstack.cluster import LocalCluster
from devstack.kafka import LocalKafka
from devstack.ports import free_port
from devstack.process import Process, answers
from devstack.service import ServiceProcess

PARTITIONS: Final = 6
TICKS: Final = os.sysconf("SC_CLK_TCK")


class Service(ServiceProcess):
    """One process of the service, ready; `start_seconds` is what that took."""

    def __init__(self, role: str, settings: Mapping[str, str], log: Path, module: str) -> None:
        started = time.perf_counter()
        super().__init__(role, settings, log, module=module)
        self.until_ready()
        self.start_seconds = time.perf_counter() - started

    @property
    def jobs(self) -> str:
        """Where to post."""
        return f"{self.url}/api/job"

    @property
    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        return cpu_seconds(self.pid)

    @property
    def resident(self) -> float:
        """Resident memory in MiB (proc_pid_status(5), VmRSS)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU a process has used, that of ended threads included (proc_pid_stat(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


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
    async def service(
        self, role: str, environment: Mapping[str, str], module: str = "service"
    ) -> AsyncIterator[Service]:
        """Run one role until the block ends."""
        log = self.folder / f"{role}-{next(self.numbers)}.log"
        service = await asyncio.to_thread(Service, role, environment, log, module)
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


@contextlib.contextmanager
def small_server(kind: str, log: Path) -> Iterator[str]:
    """Run a server of `bench.small_servers` and give its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = Process(kind, [sys.executable, "-m", "bench.small_servers", kind, str(port)], log)
    process.wait_until(lambda: answers(f"{url}/readyz"))
    try:
        yield url
    finally:
        process.stop()


@contextlib.contextmanager
def canned_cluster(stack: Stack) -> Iterator[dict[str, str]]:
    """Run an API server that answers every create at once and keeps nothing; give the service's settings for it."""
    with small_server("canned", stack.folder / "canned.log") as url:
        file = stack.folder / "canned.kubeconfig"
        file.write_text(kubeconfig(url, {"token": "canned"}))
        yield {"KUBE_CONFIG_FILE": str(file)}


def _quiet(_: str) -> None:
    """Say nothing: the benchmark reports its own progress."""
