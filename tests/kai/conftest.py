"""A control plane with a real KAI scheduler, and a service that submits to its queues."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from devstack.cluster import LocalCluster
from devstack.controlplane import control_plane
from devstack.kai import LocalKai
from tests.kai.queues import KaiCluster, make_queues
from tests.servers import KafkaServer
from tests.submitter import PROJECTS, Submitter, submitters


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what this folder holds, and let a test wait for a scheduler that starts beside other tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kai)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def kai_cluster(cluster_build: None, kai_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KaiCluster]:
    """A cluster with KAI: a queue for team-a, none for team-b."""
    folder = tmp_path_factory.mktemp("kai")
    with LocalCluster(folder / "cluster", stages=stages(folder / "stages.yaml")) as cluster:
        for project in PROJECTS:
            cluster.api.make_namespace(f"runai-{project}")
        with LocalKai(folder / "kai", cluster.api, cluster.kubeconfig) as kai:
            make_queues(cluster.api)
            # last: the garbage collector looks for kinds at its start and then only every 30 seconds
            cluster.start_controllers()
            yield KaiCluster(cluster, kai)


def stages(file: Path) -> Path:
    """kwok's stages, with pods of Jobs that hold their GPUs unless their image is `ends`, and that stop when evicted.

    The Job controller waits for the end of a pod that is being deleted; a kubelet tells it, kwok's own stages do not.
    """
    found = list(yaml.safe_load_all((control_plane() / "stages.yaml").read_text()))
    (complete,) = [each for each in found if each["metadata"]["name"] == "pod-complete"]
    ends = {"key": ".spec.containers.[].image", "operator": "In", "values": ["ends"]}
    complete["spec"]["selector"]["matchExpressions"].append(ends)
    evicted = [
        {"key": ".metadata.deletionTimestamp", "operator": "Exists"},
        {"key": ".status.phase", "operator": "In", "values": ["Running"]},
    ]
    spec = {
        "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
        "selector": {"matchExpressions": evicted},
        "next": {"statusTemplate": "phase: Failed"},
    }
    stop = {"apiVersion": complete["apiVersion"], "kind": "Stage", "metadata": {"name": "pod-stop"}, "spec": spec}
    file.write_text(yaml.safe_dump_all([*found, stop]))
    return file


@pytest.fixture(scope="session")
def start(kafka_server: KafkaServer, kai_cluster: KaiCluster) -> Iterator[Callable[..., Submitter]]:
    """Starts a service."""
    with submitters(kafka_server, kai_cluster.cluster, "kai") as begin:
        yield begin


@pytest.fixture(scope="session")
def shared(start: Callable[..., Submitter]) -> Submitter:
    """The service that all these tests share."""
    return start()


@pytest.fixture
def jobs(shared: Submitter) -> Iterator[Submitter]:
    """The shared service; nobody has jobs before and after."""
    yield shared
    shared.until_gone()
