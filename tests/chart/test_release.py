"""A release on a real control plane, from install to uninstall: kwok plays the nodes, so its pods run nothing."""

import json
import uuid

import pytest

from devstack.api import AdminApi
from tests.chart import apiserver
from tests.chart.helm import CHART, HelmError
from tests.chart.run import token_of

LEAST = ["--set", "image.repository=job-submission", "--set", "kafka.bootstrapServers=kafka:9092"]


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
        ("batch/v1", "Job"),
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
    sets = [*LEAST, "--set", f"projects.names={{{project}}}"]

    sets += ["--set", "projects.createNamespaces=true"]
    notes = helm("install", *common, *sets, *wait)
    assert "curl -X POST http://127.0.0.1:8080/api/job" in notes
    assert f'"project": "{project}"' in notes
    first = installed(api, namespace)
    assert first["Deployment"] == ["jobs-job-submission-ingress", "jobs-job-submission-watcher"]
    assert first["StatefulSet"] == ["jobs-job-submission-consumer"]
    assert installed(api, f"runai-{project}") == {
        "Role": [f"{namespace}:jobs-job-submission", f"{namespace}:jobs-job-submission:watcher"],
        "RoleBinding": [f"{namespace}:jobs-job-submission", f"{namespace}:jobs-job-submission:watcher"],
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
    assert "Job" not in installed(api, namespace)  # which an uninstall would leave

    helm("uninstall", "jobs", "--namespace", namespace)
    assert installed(api, namespace) == {}
    assert installed(api, f"runai-{project}") == {}
    kept = apiserver.request(api, "GET", f"/api/v1/namespaces/runai-{project}")[0]
    assert kept["status"]["phase"] == "Active"

    helm("install", *common, *sets)  # takes the namespace over that it left
    helm("uninstall", "jobs", "--namespace", namespace)


def test_a_missing_namespace_is_named(release):
    helm, namespace, project = release
    sets = [*LEAST, "--set", f"projects.names={{{project}-missing}}"]
    with pytest.raises(HelmError, match=rf'namespaces "runai-{project}-missing" not found'):
        helm("install", "early", str(CHART), "--namespace", namespace, *sets)
    helm("uninstall", "early", "--namespace", namespace)


def test_one_install_with_an_embedded_kafka_is_all(release, cluster_server):
    helm, namespace, project = release
    common = ["try", str(CHART), "--namespace", namespace, "--wait", "--timeout", "60s"]
    sets = [
        "image.repository=job-submission",
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
    sets = [*LEAST, "--set", "topics.job=true"]
    # kwok completes the Job's pod without running it: its command is run in test_hook.py
    helm("install", "hook", str(CHART), "--namespace", namespace, *sets, "--timeout", "60s")

    def names(path):
        items = apiserver.request(cluster_server.api, "GET", path)[0]["items"]
        return {each["metadata"]["name"] for each in items if each["metadata"]["name"].startswith("hook-")}

    assert names(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies") == {
        "hook-job-submission-consumer",
        "hook-job-submission-ingress",
        "hook-job-submission-watcher",
    }
    assert names(f"/apis/batch/v1/namespaces/{namespace}/jobs") == set()
    helm("uninstall", "hook", "--namespace", namespace)


@pytest.mark.parametrize("name", ["r" * 53, "dotted.release"])
def test_whatever_the_release_is_called_its_pods_start(release, name):
    """A Service's name is a label of at most 63 characters, and so is a StatefulSet's name with a revision's hash."""
    helm, namespace, _ = release
    sets = [*LEAST, "--set", "consumer.replicas=1", "--set", "ingress.replicas=1"]
    helm("install", name, str(CHART), "--namespace", namespace, *sets, "--wait", "--timeout", "30s")
    helm("uninstall", name, "--namespace", namespace)


@pytest.mark.parametrize(
    ("kind", "role", "switch"),
    [("Deployment", "ingress", "ingress.autoscaling.enabled"), ("StatefulSet", "consumer", "consumer.keda.enabled")],
)
def test_turning_an_autoscaler_on_keeps_the_pods_that_run(release, cluster_server, operator_crds, kind, role, switch):
    """A `replicas` that is left out of an upgrade would be taken for removed, which means one."""
    helm, namespace, _ = release
    path = f"/apis/apps/v1/namespaces/{namespace}/{kind.lower()}s/scaled-job-submission-{role}"

    def running():
        return apiserver.request(cluster_server.api, "GET", path)[0]["spec"]["replicas"]

    common = ["scaled", str(CHART), "--namespace", namespace, *LEAST]
    helm("install", *common, "--set", f"{role}.replicas=5")
    try:
        helm("upgrade", *common, "--set", f"{switch}=true")
        assert running() == 5
        scale, _ = apiserver.request(cluster_server.api, "GET", f"{path}/scale")
        scale["spec"]["replicas"] = 7  # as the autoscaler does
        apiserver.request(cluster_server.api, "PUT", f"{path}/scale", scale)
        helm("upgrade", *common, "--set", f"{switch}=true", "--set", "settings.LOG_LEVEL=debug")
        assert running() == 7
        # the number is the autoscaler's by now: taking it back is said explicitly (Helm 4)
        helm("upgrade", *common, "--set", f"{role}.replicas=2", "--force-conflicts")
        assert running() == 2
    finally:
        helm("uninstall", "scaled", "--namespace", namespace)


def test_two_releases_of_one_name_share_a_project_whose_namespace_is_there(release, cluster_server):
    """Neither the namespace, nor the Roles in it, nor the names in the cluster are in each other's way."""
    helm, namespace, project = release
    api = cluster_server.api
    api.make_namespace(f"runai-{project}-shared")
    sets = [*LEAST, "--set", f"projects.names={{{project}-shared}}", "--set", "projects.createNamespaces=true"]
    others = f"{namespace}-2"
    helm("install", "twin", str(CHART), "--namespace", namespace, *sets)
    helm("install", "twin", str(CHART), "--namespace", others, "--create-namespace", *sets)
    helm("upgrade", "twin", str(CHART), "--namespace", namespace, *sets)
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/runai-{project}-shared/rolebindings"
    bindings = apiserver.request(api, "GET", path)[0]["items"]
    assert {(each["metadata"]["name"], each["subjects"][0]["namespace"]) for each in bindings} == {
        (f"{of}:twin-job-submission{role}", of) for of in (namespace, others) for role in ("", ":watcher")
    }
    helm("uninstall", "twin", "--namespace", others)
    helm("uninstall", "twin", "--namespace", namespace)
    assert apiserver.request(api, "GET", f"/api/v1/namespaces/runai-{project}-shared")[0]["metadata"]["labels"] == {
        "kubernetes.io/metadata.name": f"runai-{project}-shared"
    }


def test_who_may_administer_two_namespaces_and_nothing_else_can_install(release, helm, cluster_server, tmp_path):
    _, namespace, project = release
    api = cluster_server.api
    own, theirs = f"{namespace}-own", f"runai-{project}-own"
    for each in (own, theirs):
        api.make_namespace(each)
        binding = {
            "metadata": {"name": "installer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "installer", "namespace": own}],
        }
        api.ensure(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{each}/rolebindings", binding)
    api.ensure(f"/api/v1/namespaces/{own}/serviceaccounts", {"metadata": {"name": "installer"}})
    login = tmp_path / "installer.kubeconfig"
    login.write_text(AdminApi(api.url, token_of(api, "installer", own), api.ca_file).kubeconfig())
    installer = helm.on(login)
    sets = [*LEAST, "--set", f"projects.names={{{project}-own}}"]
    with pytest.raises(HelmError, match="clusterroles"):
        installer("install", "jobs", str(CHART), "--namespace", own, *sets, "--dry-run=server")
    sets += ["--set", "rbac.clusterRole=false", "--set", "podTemplate.name="]
    installer("install", "jobs", str(CHART), "--namespace", own, *sets)
    assert installed(api, theirs)["Role"] == [
        f"{own}:jobs-job-submission",
        f"{own}:jobs-job-submission:watcher",
    ]
    installer("uninstall", "jobs", "--namespace", own)


def test_the_embedded_kafka_can_be_given_storage_later(release, cluster_server):
    helm, namespace, _ = release
    common = ["disk", str(CHART), "--namespace", namespace, "--set", "image.repository=job-submission"]
    common += ["--set", "embeddedKafka.enabled=true"]
    helm("install", *common)
    helm("upgrade", *common, "--set", "embeddedKafka.storage=8Gi")
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/disk-job-submission-kafka"
    assert apiserver.request(cluster_server.api, "GET", path)[0]["spec"]["resources"]["requests"] == {"storage": "8Gi"}
    helm("uninstall", "disk", "--namespace", namespace)
    kept = apiserver.request(cluster_server.api, "GET", path)[0]
    assert "deletionTimestamp" not in kept["metadata"]
    helm("install", *common, "--set", "embeddedKafka.storage=8Gi")  # takes the claim over that it left
    helm("uninstall", "disk", "--namespace", namespace)


def replicas(api, namespace):
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/jobs-job-submission-consumer"
    return apiserver.request(api, "GET", path)[0]["spec"]["replicas"]


def settings(api, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps/jobs-job-submission-settings"
    return apiserver.request(api, "GET", path)[0]["data"]
