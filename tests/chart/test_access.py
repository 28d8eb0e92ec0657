"""What the chart gives the pods that answer HTTP, by the way that users are known."""

import pytest

from service.kube.reviews import RIGHTS
from tests.chart.helm import CHART, VALUES, HelmError
from tests.chart.rendered import CONSUMER, INGRESS, pod

OIDC = ("settings.HTTP_AUTHENTICATION=oidc", "settings.HTTP_OIDC_ISSUER=https://issuer.example:8443/a")
TOKENS_BY_RBAC = ("tokensSecret=t", "settings.HTTP_AUTHORISATION=kubernetes")
BOTH = ("settings.HTTP_AUTHENTICATION=kubernetes",)
ROLE = "jobs:x-job-submission:reviews"


def granted(rendered):
    """The verbs by resource of the role to ask about users, and whom it is bound to."""
    if ("ClusterRole", ROLE) not in rendered:
        return None
    rules = rendered["ClusterRole", ROLE]["rules"]
    groups = {resource: rule["apiGroups"] for rule in rules for resource in rule["resources"]}
    assert {resource: group[0].partition(".")[0] for resource, group in groups.items()}.items() <= {
        "tokenreviews": "authentication",
        "subjectaccessreviews": "authorization",
    }.items()
    (subject,) = rendered["ClusterRoleBinding", ROLE]["subjects"]
    verbs = {resource: tuple(rule["verbs"]) for rule in rules for resource in rule["resources"]}
    return verbs, (subject["namespace"], subject["name"])


@pytest.mark.parametrize(
    ("sets", "asked"),
    [
        ((), []),
        (("tokensSecret=t",), []),
        (OIDC, []),
        ((*OIDC, "settings.HTTP_AUTHORISATION=kubernetes"), ["subjectaccessreviews"]),
        (TOKENS_BY_RBAC, ["subjectaccessreviews"]),
        (("settings.HTTP_AUTHENTICATION=kubernetes", "settings.HTTP_AUTHORISATION=none"), ["tokenreviews"]),
        (BOTH, ["tokenreviews", "subjectaccessreviews"]),
    ],
)
def test_the_ingress_may_ask_about_users_what_its_settings_have_it_ask(render, sets, asked):
    rendered = render("minimal", *sets)
    rights = {resource: RIGHTS[resource] for resource in asked}
    assert granted(rendered) == ((rights, ("jobs", INGRESS[1])) if asked else None)
    assert pod(rendered, INGRESS)["automountServiceAccountToken"] is bool(asked)
    egress = rendered["NetworkPolicy", INGRESS[1]]["spec"]["egress"]
    assert ([443, 6443] in [[port["port"] for port in rule["ports"]] for rule in egress]) is bool(asked)


def test_in_one_pod_with_the_other_roles_their_account_asks(render):
    rendered = render("one-role", *BOTH)
    assert granted(rendered) == (
        RIGHTS,
        ("jobs", pod(rendered, ("StatefulSet", "x-job-submission-all"))["serviceAccountName"]),
    )


LOGS_PORT = 8081  # the watcher's, which the ingress reaches whoever lets users in


def test_the_issuer_can_be_reached_at_its_port(render):
    def ports(which, *sets):
        rules = render("minimal", *sets)["NetworkPolicy", which[1]]["spec"]["egress"]
        return [port["port"] for rule in rules[2:] for port in rule["ports"] if port["port"] != LOGS_PORT]

    assert (ports(INGRESS, *OIDC), ports(CONSUMER, *OIDC)) == ([8443], [443, 6443])
    assert ports(INGRESS, OIDC[0], "settings.HTTP_OIDC_ISSUER=https://issuer.example") == [443]


@pytest.mark.parametrize(
    ("sets", "complaint"),
    [
        (("tokensSecret=t", *OIDC), "tokensSecret and settings.HTTP_AUTHENTICATION=oidc are two ways"),
        (("settings.HTTP_AUTHENTICATION=tokens",), "set tokensSecret"),
        (("rbac.clusterRole=false", *BOTH), r"needs rbac\.clusterRole"),
    ],
)
def test_what_does_not_go_together_is_refused(render, sets, complaint):
    with pytest.raises(HelmError, match=complaint):
        render("minimal", *sets)


def test_where_somebody_else_grants_rights_no_role_is_needed(render):
    assert granted(render("minimal", "rbac.clusterRole=false", "rbac.create=false", *BOTH)) is None


def test_the_test_of_the_release_has_a_token_of_its_own(render):
    def secret(*sets):
        rendered = render("minimal", "projects.names={a}", *sets)
        (container,) = rendered["Job", "x-job-submission-test"]["spec"]["template"]["spec"]["containers"]
        variables = {each["name"]: each for each in container["env"]}
        reference = variables.get("TOKEN", {}).get("valueFrom", {}).get("secretKeyRef", {})
        assert reference.get("name") == variables.get("TOKEN_SECRET", {}).get("value")
        return reference.get("name")

    assert [secret(), secret("tokensSecret=t"), secret("tests.tokenSecret=u", *BOTH)] == [None, "t", "u"]


@pytest.mark.parametrize(
    ("sets", "warned", "header"),
    [
        ((), ["WARNING: nobody is authenticated."], "RA-USER: john"),
        (("tokensSecret=t",), [], "Authorization: Bearer $TOKEN"),
        (OIDC, ["Every verified user may submit to every project"], "Authorization: Bearer $TOKEN"),
        (BOTH, [], "Authorization: Bearer $TOKEN"),
    ],
)
def test_the_notes_say_what_is_left_open(helm, sets, warned, header):
    arguments = [part for one in sets for part in ("--set", one)]
    said = helm("install", "x", str(CHART), "--dry-run=client", "-f", str(VALUES / "minimal.yaml"), *arguments)
    notes = " ".join(said.partition("NOTES:")[2].split())
    openings = ("WARNING: nobody is authenticated.", "Every verified user may submit to every project")
    assert [opening for opening in openings if opening in notes] == warned
    assert header in notes
