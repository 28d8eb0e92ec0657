"""Rights in Kubernetes, accounts and namespaces as they are rendered, and names that two releases cannot share."""

import pytest

from service.kube.access_review import CLUSTER_RIGHTS, RIGHTS
from tests.chart.helm import HelmError
from tests.chart.rendered import CONSUMER, INGRESS, pod

RBAC = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def granted(rendered):
    """Kind of each role and its verbs by resource."""
    return [
        (kind, {resource: tuple(rule["verbs"]) for rule in each["rules"] for resource in rule["resources"]})
        for (kind, _), each in rendered.items()
        if kind in ("Role", "ClusterRole")
    ]


def test_the_rights_are_those_that_the_code_names(render):
    by_project = granted(render("everything"))
    assert {kind for kind, _ in by_project} == {"Role", "ClusterRole"}
    assert all(rights == {"Role": RIGHTS, "ClusterRole": CLUSTER_RIGHTS}[kind] for kind, rights in by_project)
    assert granted(render("one-role")) == [("ClusterRole", CLUSTER_RIGHTS | RIGHTS)]


def test_without_a_cluster_role_the_same_rights_are_granted_in_each_namespace(template):
    sets = ["image.repository=i", "kafka.bootstrapServers=k:1", "projects.names={a,b}", "rbac.clusterRole=false"]
    objects = template("x", "--namespace", "jobs", *(part for one in sets for part in ("--set", one)))
    rbac = [each for each in objects if each["kind"] in RBAC]
    assert sorted((each["kind"], each["metadata"]["namespace"]) for each in rbac) == [
        ("Role", "runai-a"),
        ("Role", "runai-b"),
        ("RoleBinding", "runai-a"),
        ("RoleBinding", "runai-b"),
    ]
    for each in rbac:
        if each["kind"] == "Role":
            rendered = {(each["kind"], each["metadata"]["name"]): each}
            assert granted(rendered) == [("Role", RIGHTS | CLUSTER_RIGHTS)]


def test_no_rights_are_made_where_somebody_else_grants_them(render):
    assert not {kind for kind, _ in render("everything", "rbac.create=false")} & RBAC
    with pytest.raises(HelmError, match=r"projects\.allNamespaces needs rbac\.clusterRole"):
        render("one-role", "rbac.clusterRole=false")


def test_the_consumers_account_has_the_rights_and_the_ingress_has_none(template):
    sets = ["image.repository=i", "kafka.bootstrapServers=k:1", "projects.names={team-a,team-b}"]
    objects = template("x", "--namespace", "jobs", *(part for one in sets for part in ("--set", one)))
    bound = {
        (each["kind"], each["metadata"].get("namespace"), subject["name"], subject["namespace"])
        for each in objects
        if each["kind"].endswith("Binding")
        for subject in each["subjects"]
    }
    account = "x-job-submission-consumer"
    assert bound == {
        ("RoleBinding", "runai-team-a", account, "jobs"),
        ("RoleBinding", "runai-team-b", account, "jobs"),
        ("ClusterRoleBinding", None, account, "jobs"),
    }
    rendered = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    for role, mounts in ((INGRESS, False), (CONSUMER, True)):
        assert pod(rendered, role)["serviceAccountName"] == role[1]
        assert pod(rendered, role)["automountServiceAccountToken"] is mounts
        assert rendered["ServiceAccount", role[1]]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("sets", "account", "made"),
    [
        ((), "x-job-submission-consumer", True),
        (("consumer.serviceAccount.name=mine",), "mine", True),
        (("consumer.serviceAccount.create=false", "consumer.serviceAccount.name=theirs"), "theirs", False),
        (("consumer.serviceAccount.create=false",), "default", False),
    ],
)
def test_an_account_is_made_or_taken(render, sets, account, made):
    rendered = render("minimal", "consumer.serviceAccount.annotations.example\\.com/role=kafka", *sets)
    assert pod(rendered, CONSUMER)["serviceAccountName"] == account
    subjects = rendered["ClusterRoleBinding", "jobs:x-job-submission"]["subjects"]
    assert subjects == [{"kind": "ServiceAccount", "name": account, "namespace": "jobs"}]
    found = rendered.get(("ServiceAccount", account), {})
    assert found.get("metadata", {}).get("annotations") == ({"example.com/role": "kafka"} if made else None)


def test_names_in_the_cluster_and_in_shared_namespaces_cannot_meet(template):
    """Namespaces and names may both have dashes: joined by one, `a-b` and `c` would be `a` and `b-c`."""
    sets = ["image.repository=i", "kafka.bootstrapServers=k:1", "projects.names={shared}"]
    releases = [("a-b", "c"), ("a", "b-c"), ("a", "c"), ("b", "c")]
    names = set()
    for namespace, name in releases:
        arguments = [part for one in (*sets, f"fullnameOverride={name}") for part in ("--set", one)]
        objects = template(name, "--namespace", namespace, *arguments)
        (of_rbac,) = {each["metadata"]["name"] for each in objects if each["kind"] in RBAC}
        names.add(of_rbac)
        # an instance id of the consumer's group may have letters, digits, dots, underscores and dashes
        (consumer,) = (each for each in objects if each["kind"] == "StatefulSet")
        variables = {each["name"]: each for each in consumer["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert variables["CONSUMER_INSTANCE_ID"]["value"] == f"{namespace}.$(POD_NAME)"
    assert len(names) == len(releases)


def test_made_namespaces_enforce_baseline_unless_told_otherwise(render):
    def labels(*sets):
        made = render("minimal", "projects.names={a}", "projects.createNamespaces=true", *sets)
        labels = made["Namespace", "runai-a"]["metadata"]["labels"]
        return {name.rpartition("/")[2]: level for name, level in labels.items() if name.startswith("pod-security")}

    assert labels() == {"enforce": "baseline", "warn": "baseline"}
    assert labels("projects.podSecurity=restricted") == {"enforce": "restricted", "warn": "restricted"}
    assert labels("projects.podSecurity=") == {}
