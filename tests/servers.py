"""Where the tests get their Kafka and their Kubernetes: given, from Docker, or from the local build of `devstack`.

Never from the everyday variables (KAFKA_BOOTSTRAP_SERVERS, KUBECONFIG), which may point at something real. A server
that cannot be had is an error of every test that needs it, never a skip.
"""

import contextlib
import enum
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import kubernetes

from devstack.api import AdminApi
from devstack.cluster import LocalCluster
from devstack.controlplane import control_plane
from devstack.dex import dex
from devstack.kafka import KAFKA_VERSION, LocalKafka, kafka_jars
from devstack.kai import kai
from devstack.kueue import kueue
from devstack.process import ServerError

KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
CLUSTER_IMAGE = "registry.k8s.io/kwok/cluster:v0.8.0-k8s.v1.36.1"
GIVEN = {"kafka": "TEST_KAFKA_BOOTSTRAP_SERVERS", "kubernetes": "TEST_KUBECONFIG"}

Say = Callable[[str], None]


class Source(enum.Enum):
    GIVEN = "the one given"
    DOCKER = "Docker"
    LOCAL = "the local build"


def choose(server: str, environment: Mapping[str, str], docker_has: Callable[[str], bool]) -> Source:
    """Where the server `kafka` or `kubernetes` comes from; Docker is asked only where nothing is given."""
    if environment.get(GIVEN[server]):
        return Source.GIVEN
    image = {"kafka": KAFKA_IMAGE, "kubernetes": CLUSTER_IMAGE}[server]
    return Source.DOCKER if docker_has(image) else Source.LOCAL


def docker_has(image: str, say: Say) -> bool:
    """Whether a Docker engine on this machine answers at once and has, or can get, the image; `say` hears why not."""
    from tests import docker_engine  # noqa: PLC0415 - the Docker client takes 0.3 s, and most sessions need none

    return docker_engine.docker_has(image, say)


@dataclass(frozen=True)
class GivenKafka:
    bootstrap_servers: str


@dataclass(frozen=True)
class GivenCluster:
    kubeconfig: Path
    api: AdminApi


class KafkaServer(Protocol):
    """What every Kafka of the tests offers."""

    @property
    def bootstrap_servers(self) -> str: ...


class ClusterServer(Protocol):
    """What every Kubernetes of the tests offers."""

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def api(self) -> AdminApi: ...


Opener = Callable[[Path], contextlib.AbstractContextManager[Any]]


def prepare(
    server: str, source: Source, environment: Mapping[str, str], containers: contextlib.ExitStack, say: Say
) -> Opener:
    """Fetch, build or start what a server needs, however long it takes: no test's time limit runs yet.

    Returns:
        What opens the server, given a folder for its data. A container runs until `containers` is closed; one that
        does not start is no failure: the local build takes its place.

    Raises:
        ServerError: the server cannot be had.
    """
    if source is Source.GIVEN:
        given = environment[GIVEN[server]]
        there = GivenKafka(given) if server == "kafka" else _given_cluster(Path(given))
        return lambda _: contextlib.nullcontext(there)
    if source is Source.DOCKER:
        from tests.containers import start  # noqa: PLC0415 - as above

        if container := start(server, containers, say):
            return lambda _: contextlib.nullcontext(container)
        say(f"{server} of the tests: {Source.LOCAL.value}")
    build(server, say)
    return LocalKafka if server == "kafka" else functools.partial(LocalCluster, controllers=True)


_BUILDS = {"kafka": kafka_jars, "kubernetes": control_plane, "kueue": kueue, "kai": kai, "dex": dex}


def build(server: str, say: Say) -> None:
    """Fetch or build what a local server needs.

    Raises:
        ServerError: that failed.
    """
    _BUILDS[server](say)


def _given_cluster(kubeconfig: Path) -> GivenCluster:
    login = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=login)  # type: ignore[no-untyped-call] # its own
    except kubernetes.config.ConfigException as error:
        raise ServerError(f"{GIVEN['kubernetes']}={kubeconfig}: {error}") from error
    certificate = (Path(login.cert_file), Path(login.key_file)) if login.cert_file and login.key_file else None
    token = str(login.api_key.get("BearerToken", "")).removeprefix("Bearer ")
    authority = Path(login.ssl_ca_cert) if login.ssl_ca_cert else None
    server = GivenCluster(kubeconfig, AdminApi(login.host.rstrip("/"), token, authority, certificate))
    if not server.api.is_ready():
        raise ServerError(f"the cluster of {GIVEN['kubernetes']}={kubeconfig} does not answer")
    return server
