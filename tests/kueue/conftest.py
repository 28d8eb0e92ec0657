"""A control plane with a real Kueue, and services that submit to its queues."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.cluster import LocalCluster
from devstack.kueue import LocalKueue
from tests.kueue.queues import Queues, make_queues
from tests.servers import KafkaServer
from tests.submitter import PROJECTS, Submitter, submitters


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test wait for a Kueue that starts beside other tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def queues(cluster_build: None, kueue_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queues]:
    """A cluster with Kueue: the queues of the guide for team-a, none for team-b."""
    folder = tmp_path_factory.mktemp("kueue")
    with LocalCluster(folder / "cluster") as cluster:
        for project in PROJECTS:
            cluster.api.make_namespace(f"runai-{project}")
        with LocalKueue(folder / "kueue", cluster.api, cluster.kubeconfig) as kueue:
            make_queues(cluster.api)
            # last: the garbage collector looks for kinds at its start and then only every 30 seconds
            cluster.start_controllers()
            yield Queues(cluster, kueue)


@pytest.fixture(scope="session")
def start(kafka_server: KafkaServer, queues: Queues) -> Iterator[Callable[..., Submitter]]:
    """Starts a service whose jobs ask for a node type that there is not: their pods stay where Kueue has let them."""
    with submitters(kafka_server, queues.cluster, "kueue", nodeType="none") as begin:
        yield begin


@pytest.fixture(scope="session")
def shared(start: Callable[..., Submitter]) -> Submitter:
    """The service that most tests share."""
    return start()


@pytest.fixture(scope="session")
def newcomer(start: Callable[..., Submitter]) -> Submitter:
    """Another service, which remembers nothing of what the first one did, and has to ask the cluster."""
    return start()


@pytest.fixture(scope="session")
def urgent(start: Callable[..., Submitter]) -> Submitter:
    """A service whose jobs have the priority class `urgent`."""
    return start(KUBE_KUEUE_PRIORITY_CLASS="urgent")


@pytest.fixture
def jobs(shared: Submitter) -> Iterator[Submitter]:
    """The shared service; nobody has jobs before and after."""
    yield shared
    shared.until_gone()
