"""The contract of logs on the real API server and kubelet."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from devstack.node.cluster import RealCluster
from service.kube import KubeReader, Login
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics
from tests.contract.log_suite import NAMESPACE, LogContract
from tests.node.jobs import until

_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_ENDED = "echo one; echo; echo 'two  '; sleep 1.1; echo three"
_RUNNING = "trap 'echo ended; exit 0' TERM; echo begun; while :; do sleep 0.1; done"


class RealNode:
    def __init__(self, cluster: RealCluster, reader: KubeReader, ended: str) -> None:
        self.reader = reader
        self.ended = ended
        self._cluster = cluster

    async def begin(self) -> str:
        return await asyncio.to_thread(run, self._cluster, _RUNNING, "Running")

    async def end(self, pod: str) -> None:
        await asyncio.to_thread(self._cluster.api.request, "DELETE", f"{_PODS}/{pod}")


def run(cluster: RealCluster, script: str, phase: str) -> str:
    """Make a pod and wait until it has come so far; return its name."""
    name = f"prints-{uuid.uuid4().hex[:8]}"
    container = {"name": "job", "image": "busybox", "command": ["sh", "-c", script]}
    spec = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 20}
    cluster.api.request("POST", _PODS, {"metadata": {"name": name}, "spec": spec})

    def status() -> Any:
        return cluster.api.request("GET", f"{_PODS}/{name}")["status"]

    until(lambda: status().get("phase") == phase or None, status)
    return name


@pytest.fixture(scope="module")
def ended(real_cluster: RealCluster) -> str:
    return run(real_cluster, _ENDED, "Succeeded")


class TestNode(LogContract):
    @pytest.fixture
    async def printing(self, real_cluster: RealCluster, ended: str) -> AsyncIterator[RealNode]:
        reader = KubeReader(Login.of(KubeSettings(config_file=real_cluster.kubeconfig)), 10, Metrics())
        yield RealNode(real_cluster, reader, ended)
        await reader.close()
