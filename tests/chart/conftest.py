"""The chart under test: rendered by the real helm, installed on a real control plane, its service run from it."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from devstack.controlplane import control_plane
from devstack.process import ServerError
from devstack.prometheus import prometheus
from tests.chart.helm import CHART, VALUES, Helm

_PROMETHEUS = pytest.StashKey[ServerError | None]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build Prometheus before the first test that needs it: a build outlasts any test's time limit."""
    wanted = any("prometheus_build" in getattr(item, "fixturenames", ()) for item in session.items)
    if not wanted or session.config.option.collectonly or _PROMETHEUS in session.config.stash:
        return
    failure = None
    with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        try:
            prometheus()
        except ServerError as error:
            failure = error
    session.config.stash[_PROMETHEUS] = failure


@pytest.fixture(scope="session")
def prometheus_build(request: pytest.FixtureRequest) -> None:
    """For tests with promtool or a Prometheus: they are built."""
    failure = request.config.stash[_PROMETHEUS]
    if failure:
        raise failure


@pytest.fixture(scope="session")
def helm(cluster_build: None) -> Helm:
    """Helm without a cluster."""
    return Helm(control_plane() / "bin" / "helm")


@pytest.fixture(scope="session")
def render(helm: Helm) -> Callable[..., dict[tuple[str, str], dict[str, Any]]]:
    """Render the chart with a file of `values/` and `--set`s; the objects by kind and name."""

    def rendered(values: str, *sets: str) -> dict[tuple[str, str], dict[str, Any]]:
        arguments = [each for one in sets for each in ("--set", one)]
        text = helm(
            "template", "x", str(CHART), "--namespace", "jobs", "-f", str(VALUES / f"{values}.yaml"), *arguments
        )
        objects = [each for each in yaml.safe_load_all(text) if each]
        return {(each["kind"], each["metadata"]["name"]): each for each in objects}

    return rendered
