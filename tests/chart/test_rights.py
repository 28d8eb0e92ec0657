"""Rights in Kubernetes, accounts and namespaces as they are rendered, and names that two releases cannot share."""

import re

import pytest

from service.kube.access_review import CLUSTER_RIGHTS, OWN_RIGHTS, RIGHTS
from service.kube.reader import GROUPS
from service.manifests.profiles import PROFILES
from service.watcher import WATCHED
from tests.chart.helm import HelmError
from tests.chart.rendered import CONSUMER, INGRESS, WATCHER, pod

WATCHER_RIGHTS = dict.fromkeys(WATCHED, ("list", "watch")) | {"pods/log": ("get",)}
RBAC = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def granted(objects, of=""):
    """Of each role its kind, its namespace and its verbs by resource; of the consumer, or of the `watcher`."""
    return [
        (
            each["kind"],
            each["metadata"].get("namespace"),
            {resource: tuple(rule["verbs"]) for rule in each["rules"] for resource in rule["resources"]},
        )
        for each in objects
        if each["kind"] in ("Role", "ClusterRole")
        and each["metadata"]["name"].endswith(":watcher") is (of == "watcher")
    ]


@pytest.fixture
def objects(template):
    """All objects of the release `x` with these values, also those of one name in several namespaces."""

    def rendered(*sets):
        least = ("image.repository=i", "kafka.bootstrapServers=k:1")
        return template("x", "--namespace", "jobs", *(part for one in (*least, *sets) for part in ("--set", one)))

    return rendered


def test_the_rights_are_those_that_the_code_names(objects):
    by_project = objects("projects.names={a,b}")
    assert granted(by_project) == [
        ("ClusterRole", None, CLUSTER_RIGHTS),
        ("Role", "runai-a", RIGHTS),
        ("Role", "runai-b", RIGHTS),
        ("Role", "jobs", OWN_RIGHTS),
    ]
    assert granted(by_project, "watcher") == [
        ("Role", "runai-a", WATCHER_RIGHTS),
        ("Role", "runai-b", WATCHER_RIGHTS),
    ]
    everywhere = objects("projects.allNamespaces=true", "mode=all")
    assert granted(everywhere) == [("ClusterRole", None, CLUSTER_RIGHTS | RIGHTS)]
    assert granted(everywhere, "watcher") == [("ClusterRole", None, WATCHER_RIGHTS)]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_what_a_scheduler_says_may_be_read_under_its_profile_alone(objects, profile):
    rights = WATCHER_RIGHTS | ({profile.admission: ("list", "watch")} if profile.admission else {})
    found = objects("projects.names={a}", f"settings.KUBE_SCHEDULER_PROFILE={profile}")
    assert granted(found, "watcher") == [("Role", "runai-a", rights)]
    rules = [rule for each in found for rule in each.get("rules", ()) if profile.admission in rule["resources"]]
    assert [rule["apiGroups"] for rule in rules] == ([[GROUPS[profile.admission]]] if profile.admission else [])


def test_without_logs_nobody_may_read_them(objects):
    found = objects("projects.names={a}", "watcher.logs.enabled=false")
    ((_, _, rights),) = granted(found, "watcher")
    assert rights == {name: verbs for name, verbs in WATCHER_RIGHTS.items() if name != "pods/log"}


def test_every_release_has_an_installation_of_its_own(template):
    def installation(namespace, name, *sets):
        least = ("image.repository=i", "kafka.bootstrapServers=k:1", *sets)
        objects = template(name, "--namespace", namespace, *(part for one in least for part in ("--set", one)))
        (settings,) = (each for each in objects if each["metadata"]["name"].endswith("-settings"))
        return settings["data"]["KUBE_INSTALLATION"]

    assert installation("jobs", "x") == "jobs.x-job-submission"
    assert installation("jobs", "x", "settings.KUBE_INSTALLATION=mine") == "mine"
    long = [installation("n" * 52, name, f"fullnameOverride={name}") for name in ("a" * 43, "a" * 42 + "b")]
    assert len(set(long)) == 2
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,61}[a-z0-9]", each) for each in long)


def test_the_watcher_looks_where_it_has_rights(objects):
    def watched(*sets):
        found = objects(*sets)
        (settings,) = (each for each in found if each["metadata"]["name"].endswith("-settings"))
        return settings["data"].get("WATCHER_NAMESPACES"), granted(found, "watcher")

    both = "runai-a,runai-b"
    assert watched("projects.names={a,b}")[0] == both
    assert watched("projects.allNamespaces=true")[0] is None
    # without a project there is nothing to see
    assert watched() == ("jobs", [("Role", "jobs", WATCHER_RIGHTS)])
    assert watched("watcher.enabled=false")[1] == []


def test_without_a_cluster_role_the_same_rights_are_granted_in_each_namespace(objects):
    found = objects("projects.names={a,b}", "rbac.clusterRole=false")
    assert {each["kind"] for each in found} & RBAC == {"Role", "RoleBinding"}
    assert granted(found) == [
        *(("Role", namespace, RIGHTS | CLUSTER_RIGHTS) for namespace in ("runai-a", "runai-b")),
        ("Role", "jobs", OWN_RIGHTS),
    ]


def test_no_rights_are_made_where_somebody_else_grants_them(render):
    assert not {kind for kind, _ in render("everything", "rbac.create=false")} & RBAC
    with pytest.raises(HelmError, match=r"projects\.allNamespaces needs rbac\.clusterRole"):
        render("one-role", "rbac.clusterRole=false")


def test_consumer_and_watcher_have_rights_of_their_own_and_the_ingress_has_none(objects):
    found = objects("projects.names={team-a,team-b}")
    bound = {
        (each["kind"], each["metadata"].get("namespace"), subject["name"], subject["namespace"])
        for each in found
        if each["kind"].endswith("Binding")
        for subject in each["subjects"]
    }
    assert bound == {
        ("RoleBinding", "runai-team-a", CONSUMER[1], "jobs"),
        ("RoleBinding", "runai-team-b", CONSUMER[1], "jobs"),
        ("RoleBinding", "jobs", CONSUMER[1], "jobs"),
        ("ClusterRoleBinding", None, CONSUMER[1], "jobs"),
        ("RoleBinding", "runai-team-a", WATCHER[1], "jobs"),
        ("RoleBinding", "runai-team-b", WATCHER[1], "jobs"),
    }
    rendered = {(each["kind"], each["metadata"]["name"]): each for each in found}
    for role, mounts in ((INGRESS, False), (CONSUMER, True), (WATCHER, True)):
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
        of_rbac = {each["metadata"]["name"] for each in objects if each["kind"] in RBAC}
        assert len(of_rbac) == 3
        names |= of_rbac
        # an instance id of the consumer's group may have letters, digits, dots, underscores and dashes
        (consumer,) = (each for each in objects if each["kind"] == "StatefulSet")
        variables = {each["name"]: each for each in consumer["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert variables["CONSUMER_INSTANCE_ID"]["value"] == f"{namespace}.$(POD_NAME)"
    assert len(names) == 3 * len(releases)


def test_made_namespaces_enforce_baseline_unless_told_otherwise(render):
    def labels(*sets):
        made = render("minimal", "projects.names={a}", "projects.createNamespaces=true", *sets)
        labels = made["Namespace", "runai-a"]["metadata"]["labels"]
        return {name.rpartition("/")[2]: level for name, level in labels.items() if name.startswith("pod-security")}

    assert labels() == {"enforce": "baseline", "warn": "baseline"}
    assert labels("projects.podSecurity=restricted") == {"enforce": "restricted", "warn": "restricted"}
    assert labels("projects.podSecurity=") == {}


def test_the_priority_class_may_be_looked_at_where_one_is_set(render):
    def rules(*sets):
        (name,) = [name for kind, name in render("minimal", *sets) if kind == "ClusterRole" and "watcher" not in name]
        return render("minimal", *sets)["ClusterRole", name]["rules"]

    rule = {"apiGroups": ["kueue.x-k8s.io"], "resources": ["workloadpriorityclasses"], "verbs": ["get"]}
    assert rule not in rules()
    assert rule in rules("settings.KUBE_KUEUE_PRIORITY_CLASS=urgent")
