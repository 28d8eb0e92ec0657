"""A release on a real control plane, from install to uninstall: kwok plays the nodes, so its pods run nothing."""

import json
import uuid

import pytest

from tests.chart import apiserver
from tests.chart.helm import CHART, HelmError


@pytest.fixture(scope="module")
def release(helm, cluster_server):
    """Helm on the cluster, a namespace that enforces `restricted`, and a project's name of its own."""
    run = uuid.uuid4().hex[:6]
    namespace = f"jobs-{run}"
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    cluster_server.api.ensure("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
    return helm.on(cluster_server.kubeconfig), namespace, f"lab-{run}"


def installed(api, namespace):
    """The names of the release's objects in the namespaces, by kind."""
    found = {}
    for version, kind in (
        ("v1", "ConfigMap"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("policy/v1", "PodDisruptionBudget"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ):
        path = apiserver.collection(api, {"apiVersion": version, "kind": kind, "metadata": {}}, namespace)
        items = apiserver.request(api, "GET", f"{path}?labelSelector=app.kubernetes.io/instance=jobs")[0]["items"]
        if items:
            found[kind] = sorted(item["metadata"]["name"] for item in items)
    return found


def test_install_upgrade_rollback_test_uninstall(release, cluster_server):
    helm, namespace, project = release
    api = cluster_server.api
    common = ["jobs", str(CHART), "--namespace", namespace]
    wait = ["--wait", "--timeout", "60s"]
    sets = ["--set", "kafka.bootstrapServers=kafka:9092", "--set", f"projects.names={{{project}}}"]

    sets += ["--set", "projects.createNamespaces=true"]
    notes = helm("install", *common, *sets, *wait)
    assert "curl -X POST http://127.0.0.1:8080/api/job" in notes
    assert f'"project": "{project}"' in notes
    first = installed(api, namespace)
    assert first["Deployment"] == ["jobs-job-submission-ingress"]
    assert first["StatefulSet"] == ["jobs-job-submission-consumer"]
    assert installed(api, f"runai-{project}") == {
        "Role": ["jobs-job-submission"],
        "RoleBinding": ["jobs-job-submission"],
    }

    # without --wait: kwok takes its time over pods that end
    helm("upgrade", *common, *sets, "--set", "consumer.replicas=3", "--set", "settings.LOG_LEVEL=debug")
    assert replicas(api, namespace) == 3
    assert settings(api, namespace)["LOG_LEVEL"] == "debug"
    helm("rollback", "jobs", "1", "--namespace", namespace)
    assert replicas(api, namespace) == 2
    assert "LOG_LEVEL" not in settings(api, namespace)
    history = json.loads(helm("history", "jobs", "--namespace", namespace, "-o", "json"))
    assert [each["status"] for each in history] == ["superseded", "superseded", "deployed"]

    # kwok completes the Job's pod without running it: the script itself is run in test_run.py
    assert "Succeeded" in helm("test", "jobs", "--namespace", namespace, "--timeout", "60s")

    helm("uninstall", "jobs", "--namespace", namespace)
    assert installed(api, namespace) == {}
    assert installed(api, f"runai-{project}") == {}
    kept = apiserver.request(api, "GET", f"/api/v1/namespaces/runai-{project}")[0]
    assert kept["status"]["phase"] == "Active"

    helm("install", *common, *sets)  # takes the namespace over that it left
    helm("uninstall", "jobs", "--namespace", namespace)


def test_a_missing_namespace_is_named(release):
    helm, namespace, project = release
    sets = ["--set", "kafka.bootstrapServers=kafka:9092", "--set", f"projects.names={{{project}-missing}}"]
    with pytest.raises(HelmError, match=rf'namespaces "runai-{project}-missing" not found'):
        helm("install", "early", str(CHART), "--namespace", namespace, *sets)
    helm("uninstall", "early", "--namespace", namespace)


def test_one_install_with_an_embedded_kafka_is_all(release, cluster_server):
    helm, namespace, project = release
    common = ["try", str(CHART), "--namespace", namespace, "--wait", "--timeout", "60s"]
    sets = [
        "embeddedKafka.enabled=true",
        "mode=all",
        f"projects.names={{{project}-try}}",
        "projects.createNamespaces=true",
    ]
    notes = helm("install", *common, *(part for one in sets for part in ("--set", one)))
    assert "it will lose records" in " ".join(notes.split())
    pods, _ = apiserver.request(cluster_server.api, "GET", f"/api/v1/namespaces/{namespace}/pods")
    names = {pod["metadata"]["name"] for pod in pods["items"] if "deletionTimestamp" not in pod["metadata"]}
    assert names >= {"try-job-submission-kafka-0", "try-job-submission-all-0", "try-job-submission-all-1"}
    helm("uninstall", "try", "--namespace", namespace)


def test_the_topics_hook_leaves_nothing_behind(release, cluster_server):
    helm, namespace, _ = release
    sets = ["--set", "kafka.bootstrapServers=kafka:9092", "--set", "topics.job=true"]
    # kwok completes the Job's pod without running it: its command is run in test_hook.py
    helm("install", "hook", str(CHART), "--namespace", namespace, *sets, "--timeout", "60s")

    def names(path):
        items = apiserver.request(cluster_server.api, "GET", path)[0]["items"]
        return {each["metadata"]["name"] for each in items if each["metadata"]["name"].startswith("hook-")}

    assert names(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies") == {
        "hook-job-submission-consumer",
        "hook-job-submission-ingress",
    }
    assert names(f"/apis/batch/v1/namespaces/{namespace}/jobs") == set()
    helm("uninstall", "hook", "--namespace", namespace)


@pytest.mark.parametrize("name", ["r" * 53, "dotted.release"])
def test_whatever_the_release_is_called_its_pods_start(release, name):
    """A Service's name is a label of at most 63 characters, and so is a StatefulSet's name with a revision's hash."""
    helm, namespace, _ = release
    sets = ["--set", "kafka.bootstrapServers=kafka:9092", "--set", "consumer.replicas=1", "--set", "ingress.replicas=1"]
    helm("install", name, str(CHART), "--namespace", namespace, *sets, "--wait", "--timeout", "30s")
    helm("uninstall", name, "--namespace", namespace)


def replicas(api, namespace):
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/jobs-job-submission-consumer"
    return apiserver.request(api, "GET", path)[0]["spec"]["replicas"]


def settings(api, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps/jobs-job-submission-settings"
    return apiserver.request(api, "GET", path)[0]["data"]
