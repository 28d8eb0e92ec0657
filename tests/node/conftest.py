"""A cluster whose one node really runs pods, and the service in front of it."""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.node import sample_images
from devstack.node.cluster import RealCluster
from devstack.node.images import pack
from devstack.node.kubelet import kubelet
from devstack.node.machine import missing
from devstack.ports import free_port
from devstack.process import ServerError
from devstack.service import ServiceProcess
from tests.node.jobs import Jobs
from tests.servers import KafkaServer

_BUILD = pytest.StashKey[ServerError | None]()
_SHOW_ARGUMENTS = '#!/bin/sh\nfor each; do echo "<$each>"; done\n'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what this folder holds, and let a test wait for pods that share two cores with others."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.node)
            item.add_marker(pytest.mark.timeout(300))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the kubelet before the first test: a build outlasts any test's time limit."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly or "node_build" not in wanted or missing() or _BUILD in session.config.stash:
        return
    session.config.stash[_BUILD] = None
    with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        try:
            kubelet(lambda text: print(text, file=sys.stderr, flush=True))
        except ServerError as error:
            session.config.stash[_BUILD] = error


@pytest.fixture(scope="session")
def node_build(request: pytest.FixtureRequest, cluster_build: None) -> None:
    """For tests with a real node: this machine can run one (with TEST_NODE=required it has to), and all is built."""
    if reason := missing():
        if os.environ.get("TEST_NODE") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    if error := request.config.stash[_BUILD]:
        raise error


@pytest.fixture(scope="session")
def machine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this machine with a file, there before the node starts."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "data").write_text("of the machine\n")
    return folder


@pytest.fixture(scope="session")
def pods_kafka_port() -> int:
    """Where a Kafka of this machine may listen for pods."""
    return free_port()


@pytest.fixture(scope="session")
def real_cluster(
    node_build: None, machine_folder: Path, pods_kafka_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealCluster]:
    """The cluster that all these tests share, its registry filled."""
    cluster = RealCluster(tmp_path_factory.mktemp("node"), machine_ports=[pods_kafka_port])
    node = cluster.node
    sample_images.publish(node)
    node.publish(pack(files={"which": "the image that was asked for\n"}), "team/marked")
    node.publish(pack(files={"show": _SHOW_ARGUMENTS}, Entrypoint=["/show"]), "team/arguments")
    node.deny("team/private")
    with cluster:
        for project in ("team-a", "team-b"):
            cluster.api.make_namespace(f"runai-{project}")
        yield cluster


@pytest.fixture(scope="session")
def settings(kafka_server: KafkaServer, real_cluster: RealCluster) -> dict[str, str]:
    """Settings of a service of the real cluster that shares nothing with others on its Kafka."""
    run = uuid.uuid4().hex[:8]
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers,
        "KUBE_CONFIG_FILE": str(real_cluster.kubeconfig),
        "TOPICS_SUBMISSIONS": f"node-submissions-{run}",
        "TOPICS_OUTCOMES": f"node-outcomes-{run}",
        "TOPICS_DEAD_LETTERS": f"node-dead-letters-{run}",
        "TOPICS_JOB_EVENTS": f"node-events-{run}",
        "CONSUMER_GROUP": f"node-{run}",
        "WATCHER_GROUP": f"node-watcher-{run}",
    }


@pytest.fixture(scope="session")
def node_service(settings: dict[str, str]) -> Iterator[ServiceProcess]:
    """All roles in one process."""
    process = ServiceProcess("all", settings)
    try:
        yield process.until_ready()
    finally:
        assert process.stop() == 0


@pytest.fixture(scope="session")
def jobs(node_service: ServiceProcess, real_cluster: RealCluster) -> Jobs:
    """What submits to the service and looks into the cluster."""
    return Jobs(node_service.url, str(real_cluster.kubeconfig))


@pytest.fixture(scope="session")
def inside(real_cluster: RealCluster) -> Path:
    """Process 1 of the node as a folder of `/proc`: its namespaces below `ns`, its file systems below `root`."""
    return Path("/proc", str(real_cluster.node.pid))
