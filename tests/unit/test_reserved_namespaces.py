"""Namespaces of the cluster and of the service are no project's, unless they are configured to be."""

from pathlib import Path
from typing import Any

import pytest

from service.errors import Fault, InvalidSubmission
from service.settings import Settings, read_settings
from service.validation import validate

RESERVED = "leads to the namespace {}, which is no project's (KUBE_RESERVED_NAMESPACES)"


@pytest.fixture(autouse=True)
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This process is a pod in the namespace `jobs`."""
    (tmp_path / "namespace").write_text("jobs")
    monkeypatch.setattr("service.settings.pod.own_namespace.__defaults__", (tmp_path / "namespace",))


def faults(settings: Settings, project: str) -> Any:
    try:
        validate({"job": {"project": project, "image": "busybox"}}, settings.limits)
    except InvalidSubmission as error:
        return list(error.faults)
    return []


@pytest.mark.parametrize(
    ("environment", "project", "namespace"),
    [
        ({}, "kube-system", None),  # its namespace is runai-kube-system
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}"}, "kube-system", "kube-system"),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}"}, "kube-node-lease", "kube-node-lease"),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}"}, "kube", None),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}"}, "jobs", "jobs"),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}"}, "jobs-2", None),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}-system"}, "kube", "kube-system"),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}", "KUBE_RESERVED_NAMESPACES": ""}, "kube-system", None),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}", "KUBE_RESERVED_NAMESPACES": "a, open*"}, "kube-system", None),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}", "KUBE_RESERVED_NAMESPACES": "a, open*"}, "openshift", "openshift"),
        ({"KUBE_NAMESPACE_TEMPLATE": "{project}", "KUBE_RESERVED_NAMESPACES": "a, open*"}, "a", "a"),
    ],
)
def test_a_project_never_leads_to_a_reserved_namespace(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], project: str, namespace: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    expected = [] if namespace is None else [Fault("job.project", RESERVED.format(namespace))]
    assert faults(read_settings(), project) == expected
