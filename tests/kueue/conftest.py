"""A control plane with a real Kueue, and services that submit to its queues."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.cluster import LocalCluster
from devstack.kueue import LocalKueue
from devstack.service import ServiceProcess
from tests.kueue.queues import PROJECTS, Queues, make_queues
from tests.kueue.submitter import Submitter
from tests.node.jobs import until
from tests.servers import KafkaServer


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
    """Starts a service with topics of its own, so that it knows of no earlier submission."""
    with contextlib.ExitStack() as stack:

        def begin(**settings: str) -> Submitter:
            run = uuid.uuid4().hex[:8]
            given = {
                "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers,
                "KUBE_CONFIG_FILE": str(queues.cluster.kubeconfig),
                "KUBE_SCHEDULER_PROFILE": "kueue",
                "TOPICS_SUBMISSIONS": f"kueue-submissions-{run}",
                "TOPICS_OUTCOMES": f"kueue-outcomes-{run}",
                "TOPICS_DEAD_LETTERS": f"kueue-dead-letters-{run}",
                "TOPICS_JOB_EVENTS": f"kueue-events-{run}",
                "CONSUMER_GROUP": f"kueue-{run}",
                "WATCHER_GROUP": f"kueue-watcher-{run}",
                **settings,
            }
            process = ServiceProcess("all", given)
            stack.callback(process.stop)
            return Submitter(process.until_ready(), given)

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
    for project in PROJECTS:
        shared.batch.delete_collection_namespaced_job(f"runai-{project}", propagation_policy="Background")
    until(
        lambda: not shared.batch.list_job_for_all_namespaces().items,
        lambda: shared.batch.list_job_for_all_namespaces().items,
    )
