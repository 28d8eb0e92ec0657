"""Kafka and Kubernetes for the tests in Docker containers (testcontainers), where an engine answers.

Their ports are published on 127.0.0.1 alone: neither asks for a password.
"""

import contextlib
import io
import socket
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker  # type: ignore[import-untyped] # the Docker client ships no type information
from testcontainers.core.container import DockerContainer

from devstack.api import AdminApi
from devstack.cluster import add_nodes
from devstack.kafka import broker_settings
from devstack.ports import free_port
from devstack.process import ServerError
from tests.docker_engine import Say, ensure_reaper, one_line, quiet
from tests.servers import CLUSTER_IMAGE, KAFKA_IMAGE

# where kwokctl puts the keys of the cluster it makes, in its home
_KEYS = "/root/.kwok/clusters/kwok/pki"


@dataclass(frozen=True)
class KafkaContainer:
    bootstrap_servers: str


@dataclass(frozen=True)
class ClusterContainer:
    kubeconfig: Path
    api: AdminApi


def start(server: str, stack: contextlib.ExitStack, say: Say) -> KafkaContainer | ClusterContainer | None:
    """Start the server `kafka` or `kubernetes`, to run until the stack is closed; None where Docker fails, and why."""
    with quiet():
        try:
            ensure_reaper(say)
            return stack.enter_context(kafka() if server == "kafka" else cluster())
        except Exception as error:  # noqa: BLE001 - whatever it is, there is a way without Docker
            say(f"no {server} from Docker: {one_line(error)}")
    return None


@contextlib.contextmanager
def kafka() -> Iterator[KafkaContainer]:
    # one port inside and outside: the broker ends transactions through the address that it tells its clients
    port = free_port()
    settings = broker_settings(
        listener=f"0.0.0.0:{port}",
        advertised=f"127.0.0.1:{port}",
        log_dir="/tmp/kafka",
        controllers={1: "127.0.0.1:9093"},
    )
    container = _published(KAFKA_IMAGE, port, port)
    for key, value in settings.items():
        container = container.with_env("KAFKA_" + key.upper().replace(".", "_"), value)
    with _running(container) as running:

        def ready() -> bool:
            if b"Kafka Server started" not in running.logs():
                return False
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True

        _wait_until(ready, running)
        yield KafkaContainer(f"127.0.0.1:{port}")


@contextlib.contextmanager
def cluster() -> Iterator[ClusterContainer]:
    """kwok's all-in-one image, reached at the API server itself.

    Left to itself it would offer a `kubectl proxy` that takes everybody for the administrator, whoever he says he is:
    tests of rights and of credentials would see nothing.
    """
    port = free_port()
    container = _published(CLUSTER_IMAGE, 6443, port)
    container = container.with_envs(KWOK_KUBE_APISERVER_PORT="6443", KWOK_KUBE_APISERVER_INSECURE_PORT="0")
    with tempfile.TemporaryDirectory() as folder, _running(container) as running:
        keys = Path(folder)
        login = (keys / "admin.crt", keys / "admin.key")
        api = AdminApi(f"https://127.0.0.1:{port}", "", keys / "ca.crt", login)

        def ready() -> bool:
            for key in (*login, keys / "ca.crt"):
                key.write_bytes(_file_in(running, f"{_KEYS}/{key.name}"))
            return api.is_ready()

        _wait_until(ready, running)
        add_nodes(api)
        kubeconfig = keys / "kubeconfig"
        kubeconfig.write_text(api.kubeconfig())
        yield ClusterContainer(kubeconfig, api)


def _published(image: str, inside: int, port: int) -> DockerContainer:
    container = DockerContainer(image)
    container.ports[str(inside)] = ("127.0.0.1", port)  # testcontainers' own method would open it to the network
    return container


@contextlib.contextmanager
def _running(container: DockerContainer) -> Iterator[Any]:
    """The container, started; it is removed in the end."""
    try:
        yield container.start().get_wrapped_container()
    finally:
        with contextlib.suppress(Exception):  # an engine that has ended meanwhile is no fault of the tests
            container.stop()


def _wait_until(ready: Callable[[], bool], container: Any, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError, docker.errors.NotFound):  # not there yet
            if ready():
                return
        container.reload()
        late = time.monotonic() > deadline
        if late or container.status not in ("created", "running"):
            last = (container.logs(tail=1).decode(errors="replace").strip() or "it wrote nothing").splitlines()[-1]
            what = f"is not ready after {timeout:.0f} s" if late else "ended while starting"
            raise ServerError(f"the container {what}: {last[-200:]}")
        time.sleep(0.2)


def _file_in(container: Any, path: str) -> bytes:
    chunks, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        file = archive.extractfile(archive.getmembers()[0])
        return file.read() if file else b""
