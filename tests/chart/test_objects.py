"""Every object of the chart is taken by a real API server: no unknown field, no warning, Pod Security `restricted`."""

import urllib.error
import uuid

import pytest

from tests.chart import apiserver, strimzi

KINDS_OF_OPERATORS = {"HTTPRoute", "PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}
KINDS_OF_STRIMZI = {"KafkaTopic", "KafkaUser"}
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


@pytest.fixture(scope="module")
def namespaces(cluster_server):
    """Two namespaces that enforce `restricted`: one for objects, one for pods, which need their service account."""
    names = [f"{what}-{uuid.uuid4().hex[:6]}" for what in ("objects", "pods")]
    for name in names:
        cluster_server.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": RESTRICTED}})
    for project in ("runai-team-a", "runai-team-b", "1e3", "true", "0777"):
        cluster_server.api.make_namespace(project)
    for account in ("default", *(f"x-job-submission-{role}" for role in ("ingress", "consumer", "all"))):
        cluster_server.api.ensure(f"/api/v1/namespaces/{names[1]}/serviceaccounts", {"metadata": {"name": account}})
    return names


@pytest.mark.parametrize("values", ["minimal", "everything", "one-role", "operators", "odd"])
def test_the_api_server_takes_every_object(cluster_server, operator_crds, namespaces, render, values):
    checked = set()
    for each in render(values, "tests.project=team-a").values():
        if each["kind"] in KINDS_OF_STRIMZI:
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
    of_operators = {"operators": KINDS_OF_OPERATORS, "odd": {"ScaledObject", "TriggerAuthentication"}}
    assert checked & KINDS_OF_OPERATORS == of_operators.get(values, set())


@pytest.mark.parametrize("kind", sorted(KINDS_OF_OPERATORS))
def test_the_check_finds_an_unknown_field_of_an_operators_object(
    cluster_server, operator_crds, namespaces, render, kind
):
    (each, *_) = (each for (of, _), each in render("operators").items() if of == kind)
    each["spec"]["unknown"] = True
    with pytest.raises(urllib.error.HTTPError) as refused:
        apiserver.check(cluster_server.api, each, namespaces[0])
    with refused.value as answer:
        assert 'unknown field \\"spec.unknown\\"' in answer.read().decode()


@pytest.mark.parametrize("values", ["operators", "odd"])
def test_strimzis_own_library_understands_its_objects(strimzi_api, render, values):
    objects = [each for (kind, _), each in render(values).items() if kind in KINDS_OF_STRIMZI]
    assert {each["kind"] for each in objects} == KINDS_OF_STRIMZI
    assert {each["apiVersion"] for each in objects} == {"kafka.strimzi.io/v1"}
    assert strimzi.not_understood(objects) == []


def test_what_strimzis_library_does_not_understand_is_found(strimzi_api, render):
    user = render("operators")["KafkaUser", "x-job-submission"]
    user["spec"]["unknown"] = True
    user["spec"]["authorization"]["acls"][0]["resource"]["pattern"] = "literal"
    user["spec"]["authorization"]["acls"][1]["operations"][0] = "Reed"
    assert sorted(strimzi.not_understood([user])) == [
        "x-job-submission.spec.authorization.acls.0.resource.pattern",
        "x-job-submission.spec.authorization.acls.1.operations.0",
        "x-job-submission.spec.unknown",
    ]
    user["spec"]["authentication"]["type"] = "none"
    with pytest.raises(ValueError, match="Could not resolve type id 'none'"):
        strimzi.not_understood([user])
