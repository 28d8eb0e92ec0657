"""Every object of the chart is taken by a real API server: no unknown field, no warning, Pod Security `restricted`."""

import uuid

import pytest

from tests.chart import apiserver

KINDS_OF_OPERATORS = {
    "HTTPRoute",
    "KafkaTopic",
    "KafkaUser",
    "PodMonitor",
    "PrometheusRule",
    "ScaledObject",
    "TriggerAuthentication",
}
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture(scope="module")
def namespaces(cluster_server):
    """Two namespaces that enforce `restricted`: one for objects, one for pods, which need their service account."""
    names = [f"{what}-{uuid.uuid4().hex[:6]}" for what in ("objects", "pods")]
    for name in names:
        cluster_server.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
    for project in ("team-a", "team-b"):
        cluster_server.api.make_namespace(f"runai-{project}")
    for account in ("default", *(f"x-job-submission-{role}" for role in ("ingress", "consumer", "all"))):
        cluster_server.api.ensure(f"/api/v1/namespaces/{names[1]}/serviceaccounts", {"metadata": {"name": account}})
    return names


@pytest.mark.parametrize("values", ["minimal", "everything", "one-role", "operators"])
def test_the_api_server_takes_every_object(cluster_server, namespaces, render, values):
    checked, operators = set(), set()
    for each in render(values, "tests.project=team-a").values():
        if each["kind"] in KINDS_OF_OPERATORS:
            operators.add(each["kind"])
            continue
        if each["kind"] == "Namespace":
            each["metadata"]["name"] += "-new"
        assert apiserver.check(cluster_server.api, each, namespaces[0]) == [], each["metadata"]["name"]
        checked.add(each["kind"])
        if "template" in each.get("spec", {}):
            template = each["spec"]["template"]
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "pod", "labels": template["metadata"]["labels"]},
                "spec": template["spec"],
            }
            # made by the kubelet's partner, the StatefulSet's controller
            pod["spec"].setdefault("volumes", []).extend(
                {"name": claim["metadata"]["name"], "emptyDir": {}}
                for claim in each["spec"].get("volumeClaimTemplates", ())
            )
            assert apiserver.check(cluster_server.api, pod, namespaces[1]) == [], each["metadata"]["name"]
            checked.add("Pod")
    assert checked >= {"ConfigMap", "Service", "StatefulSet", "Pod", "NetworkPolicy", "PodDisruptionBudget", "Job"}
    assert operators == (KINDS_OF_OPERATORS if values == "operators" else set())
