"""The servers of a test session, started once and only where a test asks for them."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from devstack.process import ServerError
from devstack.standin import LocalStandIn
from tests import servers
from tests.secured_kafka import SecuredKafka
from tests.work_units import Scheduler, place

# property tests are not held to any time: the machine may be busy
settings.register_profile("everyday", suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=100)
settings.register_profile("thorough", settings.get_profile("everyday"), max_examples=1000)  # `make long`
settings.load_profile("everyday")

_SHARED = {"kafka_server": "kafka", "cluster_server": "kubernetes"}
_LOCAL = {
    "kafka_build": "kafka",
    "cluster_build": "kubernetes",
    "kueue_build": "kueue",
    "kai_build": "kai",
    "dex_build": "dex",
}
_PREPARED = pytest.StashKey[dict[str, servers.Opener | ServerError | None]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the sizes of tests that can be as long as one likes."""
    parser.addoption("--dry-run-bodies", default="300", help="how many generated bodies are tried and submitted")
    parser.addoption(
        "--restricted-bodies", default="200", help="how many generated bodies are tried under `restricted`"
    )
    parser.addoption("--openapi-examples", default="3", help="how many requests are made of each operation")


def pytest_xdist_auto_num_workers() -> int:
    """Run a process more than there are cores, as tests wait for servers much of the time; each takes about 2 GB."""
    return min((os.cpu_count() or 1) + 1, 6)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    """Share a session among several processes by `work_units`."""
    config.option.loadscopereorder = False  # by number of tests, which says little about their time
    return Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests of a session that is shared; else they run in the order of their files."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: place(item.nodeid))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Choose and prepare the servers before the first test: a build, or a pull, outlasts any test's time limit."""
    prepared = session.config.stash.setdefault(_PREPARED, {})
    if session.config.option.collectonly:
        return
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    containers = contextlib.ExitStack()
    session.config.add_cleanup(containers.close)
    with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        for fixture in sorted(wanted & {*_SHARED, *_LOCAL}):
            try:
                if fixture in _LOCAL:
                    prepared[fixture] = servers.build(_LOCAL[fixture], _say)
                else:
                    prepared[fixture] = _prepare(_SHARED[fixture], containers)
            except ServerError as error:
                prepared[fixture] = error  # the tests that need this server fail with it, the others run


def _prepare(server: str, containers: contextlib.ExitStack) -> servers.Opener:
    source = servers.choose(server, os.environ, functools.partial(servers.docker_has, say=_say))
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0":  # the others choose the same
        _say(f"{server} of the tests: {source.value}")
    return servers.prepare(server, source, os.environ, containers, _say)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _prepared(request: pytest.FixtureRequest) -> Any:
    prepared = request.config.stash[_PREPARED][str(request.fixturename)]
    if isinstance(prepared, ServerError):
        raise prepared
    return prepared


@pytest.fixture(scope="session")
def kafka_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.KafkaServer]:
    """A Kafka broker that all tests share: `bootstrap_servers`."""
    with _prepared(request)(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.ClusterServer]:
    """A Kubernetes cluster with GPU nodes that all tests share: `kubeconfig`, and `api`, an administrator's way in."""
    with _prepared(request)(tmp_path_factory.mktemp("cluster")) as server:
        yield server


@pytest.fixture(scope="session")
def kafka_build(request: pytest.FixtureRequest) -> None:
    """For tests with a `LocalKafka` of their own: its jars are there."""
    _prepared(request)


@pytest.fixture(scope="session")
def secured_kafka(kafka_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A broker with TLS, logins and access control lists, which all tests share."""
    with SecuredKafka(tmp_path_factory.mktemp("secured-kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def cluster_build(request: pytest.FixtureRequest) -> None:
    """For tests with a `LocalCluster` of their own: its programs are built."""
    _prepared(request)


@pytest.fixture(scope="session")
def kueue_build(request: pytest.FixtureRequest) -> None:
    """For tests with a `LocalKueue` of their own: its program is built."""
    _prepared(request)


@pytest.fixture(scope="session")
def kai_build(request: pytest.FixtureRequest) -> None:
    """For tests with a `LocalKai` of their own: its programs are built."""
    _prepared(request)


@pytest.fixture(scope="session")
def dex_build(request: pytest.FixtureRequest) -> None:
    """For tests with a `LocalDex` of their own: its program is built."""
    _prepared(request)


@pytest.fixture(scope="session")
def standin_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStandIn]:
    """The in-memory stand-in for a Kubernetes API: `kubeconfig` and `api` as of a cluster."""
    with LocalStandIn(tmp_path_factory.mktemp("standin")) as server:
        yield server
