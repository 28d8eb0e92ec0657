"""Every object of the chart is taken by a real API server: no unknown field, no warning, Pod Security `restricted`."""

import functools
import operator
import urllib.error
import uuid

import pytest

from tests.chart import apiserver

KINDS_OF_STRIMZI = {"KafkaTopic", "KafkaUser"}
KINDS_OF_KEDA = {"ScaledObject", "TriggerAuthentication"}
KINDS_OF_OPERATORS = {"HTTPRoute", "PodMonitor", "ServiceMonitor", "PrometheusRule"} | KINDS_OF_KEDA | KINDS_OF_STRIMZI
RULE = ("authorization", "acls", 0)
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture(scope="module")
def namespaces(cluster_server):
    """Two namespaces that enforce `restricted`: one for objects, one for pods, which need their service account."""
    names = [f"{what}-{uuid.uuid4().hex[:6]}" for what in ("objects", "pods")]
    for name in names:
        cluster_server.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
    for others in ("runai-team-a", "runai-team-b", "1e3", "true", "0777", "kafka", "9"):  # projects', then Strimzi's
        cluster_server.api.make_namespace(others)
    for account in (
        "default",
        "mine",
        *(f"x-job-submission-{role}" for role in ("ingress", "consumer", "watcher", "all")),
    ):
        cluster_server.api.ensure(f"/api/v1/namespaces/{names[1]}/serviceaccounts", {"metadata": {"name": account}})
    return names


def in_namespace(each, namespace):
    """Put an object of the release, which is rendered for the namespace `jobs`, into another."""
    if each["metadata"].get("namespace") == "jobs":
        each["metadata"]["namespace"] = namespace


@pytest.mark.parametrize("values", ["minimal", "empty", "everything", "one-role", "operators", "odd"])
def test_the_api_server_takes_every_object(cluster_server, operator_crds, namespaces, render, values):
    checked = set()
    for each in render(values, "tests.project=team-a").values():
        if each["kind"] == "Namespace":
            each["metadata"]["name"] += "-new"
        in_namespace(each, namespaces[0])
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
    of_operators = {"operators": KINDS_OF_OPERATORS, "odd": KINDS_OF_KEDA | KINDS_OF_STRIMZI}
    assert checked & KINDS_OF_OPERATORS == of_operators.get(values, set())


def refusal(api, each, namespace):
    """Why the API server does not take an object."""
    in_namespace(each, namespace)
    with pytest.raises(urllib.error.HTTPError) as refused:
        apiserver.check(api, each, namespace)
    refused.value.close()
    return refused.value.msg


@pytest.mark.parametrize("kind", sorted(KINDS_OF_OPERATORS))
def test_the_check_finds_an_unknown_field_of_an_operators_object(
    cluster_server, operator_crds, namespaces, render, kind
):
    (each, *_) = (each for (of, _), each in render("operators").items() if of == kind)
    each["spec"]["unknown"] = True
    assert 'unknown field "spec.unknown"' in refusal(cluster_server.api, each, namespaces[0])


@pytest.mark.parametrize(
    ("kind", "path", "value", "answer"),
    [
        ("KafkaTopic", ("partitions",), 0, "spec.partitions: Invalid value: 0"),
        ("KafkaTopic", ("replicas",), "3", 'spec.replicas: Invalid value: "string"'),
        ("KafkaUser", ("authentication", "type"), "none", 'spec.authentication.type: Unsupported value: "none"'),
        ("KafkaUser", (*RULE, "operations", 0), "Reed", 'acls[0].operations[0]: Unsupported value: "Reed"'),
        ("KafkaUser", (*RULE, "resource", "pattern"), "literal", 'unknown field "spec.authorization.acls[0].resource.'),
    ],
)
def test_the_check_finds_what_strimzis_own_classes_say_is_wrong(
    cluster_server, operator_crds, namespaces, render, kind, path, value, answer
):
    """Its CRDs are generated: that they hold the types, bounds and enumerations of its classes is seen here alone."""
    (each, *_) = (each for (of, _), each in render("operators").items() if of == kind)
    *way, last = path
    functools.reduce(operator.getitem, way, each["spec"])[last] = value
    assert answer in refusal(cluster_server.api, each, namespaces[0])
