"""The chart under test: rendered by the real helm, installed on a real control plane, its service run from it."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from devstack import crds
from devstack.controlplane import control_plane
from devstack.process import ServerError
from devstack.prometheus import prometheus
from tests.chart.helm import CHART, VALUES, Helm
from tests.servers import ClusterServer

_NEEDED: dict[str, Callable[[], Any]] = {
    "prometheus_build": prometheus,
    "operator_crds": crds.operator_crds,
}
_FAILURES = pytest.StashKey[dict[str, ServerError | None]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build and fetch before the first test what a test needs: that outlasts any test's time limit."""
    failures = session.config.stash.setdefault(_FAILURES, {})
    if session.config.option.collectonly:
        return
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        for fixture in sorted(wanted & _NEEDED.keys() - failures.keys()):
            failures[fixture] = None
            try:
                _NEEDED[fixture]()
            except ServerError as error:
                failures[fixture] = error  # the tests that need it fail with it, the others run


def _is_there(request: pytest.FixtureRequest) -> None:
    failure = request.config.stash[_FAILURES][str(request.fixturename)]
    if failure:
        raise failure


@pytest.fixture(scope="session")
def prometheus_build(request: pytest.FixtureRequest) -> None:
    """For tests with promtool or a Prometheus: they are built."""
    _is_there(request)


@pytest.fixture(scope="session")
def operator_crds(request: pytest.FixtureRequest, cluster_server: ClusterServer) -> None:
    """For tests with objects of operators: the shared API server knows their kinds."""
    _is_there(request)
    crds.install(cluster_server.api, crds.operator_crds())


@pytest.fixture(scope="session")
def helm(cluster_build: None) -> Helm:
    """Helm without a cluster."""
    return Helm(control_plane() / "bin" / "helm")


@pytest.fixture(scope="session")
def template(helm: Helm) -> Callable[..., list[dict[str, Any]]]:
    """Render the chart as a release, with arguments of `helm template`; its objects."""

    def rendered(release: str, *arguments: str) -> list[dict[str, Any]]:
        return [each for each in yaml.safe_load_all(helm("template", release, str(CHART), *arguments)) if each]

    return rendered


@pytest.fixture(scope="session")
def render(template: Callable[..., list[dict[str, Any]]]) -> Callable[..., dict[tuple[str, str], dict[str, Any]]]:
    """Render the chart with a file of `values/` and `--set`s; the objects by kind and name."""

    def rendered(values: str, *sets: str) -> dict[tuple[str, str], dict[str, Any]]:
        arguments = [each for one in sets for each in ("--set", one)]
        objects = template("x", "--namespace", "jobs", "-f", str(VALUES / f"{values}.yaml"), *arguments)
        return {(each["kind"], each["metadata"]["name"]): each for each in objects}

    return rendered
