"""Values that were emptied: a section without its lines, a value set to null."""

import pytest

from tests.chart.helm import HelmError
from tests.chart.rendered import AS_THEY_ARE, value_paths

SECTIONS, VALUES = value_paths()
NEEDED = {"image", "image.repository", "kafka", "kafka.bootstrapServers"}
ALERTS = [section for section in SECTIONS if section.startswith("monitoring.prometheusRule.alerts.")]
TOGETHER = [*([section] for section in SECTIONS if section not in ALERTS), ALERTS]
"""Sections that are emptied in one go: those of the alerts are rendered by the same lines."""
EVERYTHING_ON = (
    "consumer.keda.enabled=true",
    "expose.httpRoute.enabled=true",
    "expose.httpRoute.parentRefs[0].name=gateway",
    "monitoring.podMonitor.enabled=true",
    "monitoring.serviceMonitor.enabled=true",
    "monitoring.prometheusRule.enabled=true",
    "strimzi.user=true",
    "strimzi.cluster=kafka",
)

ASKED_FOR = {
    "": "set tokensSecret",
    "kafka.sasl": r"needs kafka\.sasl\.secret",
    "expose.ingress": r"expose\.ingress needs a host",
    "expose.httpRoute": r"expose\.httpRoute needs parentRefs",
    "networkPolicy": r"name your Prometheus in networkPolicy\.scrapers",
}
"""What objects that are switched on cannot do without."""


@pytest.mark.parametrize("sections", [each for each in TOGETHER if each[0] not in NEEDED], ids=lambda each: each[0])
def test_an_empty_section_is_its_defaults(render, sections):
    def rendered(*sets):
        objects = render("minimal", *sets)
        assert objects["Secret", "x-job-submission-logs"]["data"].pop("token")  # a random one
        return objects

    assert rendered(*(f"{section}=null" for section in sections)) == rendered()


@pytest.mark.parametrize("sections", [[""], *TOGETHER], ids=lambda each: each[0])
def test_empty_values_are_their_defaults_or_nothing(render, sections):
    """With everything on, so that every value is looked at: none ends in a nil pointer."""
    values = [name for name in VALUES if name.rpartition(".")[0] in sections and not name.endswith("enabled")]
    empty = [f"{name}=null" for name in values if name not in NEEDED]
    if sections[0] in ASKED_FOR:
        with pytest.raises(HelmError, match=ASKED_FOR[sections[0]]):
            render("everything", *EVERYTHING_ON, *empty)
    else:
        assert render("everything", *EVERYTHING_ON, *empty)


@pytest.mark.parametrize("value", sorted(NEEDED))
def test_what_has_no_default_is_asked_for(render, value):
    with pytest.raises(HelmError, match=r"set (image\.repository|kafka\.bootstrapServers)"):
        render("minimal", f"{value}=null")


def test_what_is_handed_to_kubernetes_as_it_is_can_be_left_out(render):
    paths = [name for name in VALUES if name.rpartition(".")[2] in AS_THEY_ARE - {"labels", "timeouts"}]
    rendered = render("one-role", *(f"{name}=null" for name in paths))
    pods = [each["spec"]["template"]["spec"] for (kind, _), each in rendered.items() if kind in ("StatefulSet", "Job")]
    assert pods
    for spec in pods:
        assert "securityContext" not in spec
        for container in spec["containers"]:
            assert "securityContext" not in container
            if container["name"] == "job-submission":
                assert not {"resources", "livenessProbe", "readinessProbe", "startupProbe"} & container.keys()


def test_on_openshift_no_pod_asks_for_a_user_or_group(render):
    """Its restricted-v2 refuses users and groups other than those it assigns to the namespace."""
    unset = [f"podSecurityContext.{name}=null" for name in ("runAsUser", "runAsGroup", "fsGroup")]
    rendered = render("everything", *unset)
    contexts = {
        (kind, name): (
            spec["securityContext"],
            [container["securityContext"] for container in spec["containers"] if container["name"] != "beside"],
        )
        for (kind, name), each in rendered.items()
        if kind in ("Deployment", "StatefulSet", "Job")
        for spec in [each["spec"]["template"]["spec"]]
    }
    container = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    expected = ({"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, [container])
    assert contexts == {
        ("Deployment", "x-job-submission-ingress"): expected,
        ("Deployment", "x-job-submission-watcher"): expected,
        ("StatefulSet", "x-job-submission-consumer"): expected,
        ("Job", "x-job-submission-topics"): expected,
        ("Job", "x-job-submission-test"): expected,
    }
