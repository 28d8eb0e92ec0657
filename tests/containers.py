"""Kafka and Kubernetes for the tests in Docker containers (testcontainers), where an engine answers."""

import contextlib
import gc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker  # type: ignore[import-untyped] # the Docker client ships no type information
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

from devstack.api import AdminApi
from devstack.cluster import add_nodes
from devstack.kafka import broker_settings
from devstack.process import free_port
from tests.servers import CLUSTER_IMAGE, KAFKA_IMAGE


def docker_has(image: str) -> bool:
    """Whether a Docker engine answers at once and has, or can get, the image."""
    with warnings.catch_warnings():
        # without an engine the Docker client leaves its socket to the garbage collector: let that happen here
        warnings.simplefilter("ignore", ResourceWarning)
        has = _docker_has(image)
        gc.collect()
    return has


def _docker_has(image: str) -> bool:
    try:
        with contextlib.closing(docker.from_env(timeout=3)) as engine:
            engine.ping()
        with contextlib.closing(docker.from_env(timeout=300)) as engine:
            try:
                engine.images.get(image)
            except docker.errors.ImageNotFound:
                engine.images.pull(image)
    except (docker.errors.DockerException, OSError):
        return False
    return True


class Container:
    """What the tests do to a server in a container, in the words of `LocalKafka`."""

    def __init__(self, container: Any) -> None:
        self._docker = container.get_wrapped_container()

    def kill(self) -> None:
        self._docker.kill()

    def start(self) -> None:
        self._docker.start()

    def stop(self) -> None:
        self._docker.stop()

    def restart(self) -> None:
        self._docker.restart()

    def pause(self) -> None:
        self._docker.pause()

    def resume(self) -> None:
        self._docker.unpause()


class KafkaContainer(Container):
    def __init__(self, container: Any, port: int) -> None:
        super().__init__(container)
        self.bootstrap_servers = f"127.0.0.1:{port}"


class ClusterContainer(Container):
    def __init__(self, container: Any, api: AdminApi, kubeconfig: Path) -> None:
        super().__init__(container)
        self.api = api
        self.kubeconfig = kubeconfig


@contextlib.contextmanager
def kafka() -> Iterator[KafkaContainer]:
    port = free_port()  # a fixed one: it must stay the same over restarts, and clients are told of it
    settings = broker_settings(
        listener="0.0.0.0:9092", advertised=f"127.0.0.1:{port}", controller="127.0.0.1:9093", log_dir="/tmp/kafka"
    )
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    for key, value in settings.items():
        container = container.with_env("KAFKA_" + key.upper().replace(".", "_"), value)
    with container.waiting_for(LogMessageWaitStrategy("Kafka Server started")) as running:
        yield KafkaContainer(running, port)


@contextlib.contextmanager
def cluster(data_dir: Path) -> Iterator[ClusterContainer]:
    port = free_port()
    container = DockerContainer(CLUSTER_IMAGE).with_bind_ports(8080, port)
    with container.waiting_for(HttpWaitStrategy(8080, "/readyz")) as running:
        # the image's port 8080 is a `kubectl proxy` that logs in as the administrator by itself
        api = AdminApi(f"http://127.0.0.1:{port}", token="", ca_file=None)
        add_nodes(api)
        kubeconfig = data_dir / "kubeconfig"
        kubeconfig.write_text(api.kubeconfig("kwok"))
        yield ClusterContainer(running, api, kubeconfig)
