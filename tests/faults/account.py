"""The account that the service logs in with under attack: it has the rights of the chart and no others.

An administrator would never be refused. Everybody else is, for a while, by an API server that has just started and does
not know its roles yet (403), which must not be taken for a decision.
"""

from typing import Final

from devstack.api import AdminApi
from service.kube.access_review import CLUSTER_RIGHTS, RIGHTS
from service.kube.health import GROUPS

NAME: Final = "job-submission"
NAMESPACE: Final = "faults"
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


def account_token(api: AdminApi) -> str:
    """Make the account where it is missing and return a new token of it, good for an hour."""
    api.make_namespace(NAMESPACE)
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    api.ensure(accounts, {"metadata": {"name": NAME}})
    rules = [
        {"apiGroups": [GROUPS[resource]], "resources": [resource], "verbs": list(verbs)}
        for resource, verbs in (RIGHTS | CLUSTER_RIGHTS).items()
    ]
    api.ensure(f"{RBAC}/clusterroles", {"metadata": {"name": NAME}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME}
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    api.ensure(f"{RBAC}/clusterrolebindings", {"metadata": {"name": NAME}, "roleRef": role, "subjects": [subject]})
    token: str = api.request("POST", f"{accounts}/{NAME}/token", {"spec": {}})["status"]["token"]
    return token
