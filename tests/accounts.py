"""Service accounts, their tokens and roles on a real API server."""

import uuid
from pathlib import Path
from typing import Any

from devstack.api import AdminApi, kubeconfig
from service.kube.reviews import RIGHTS

NAMESPACE = "runai-team-a"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Accounts:
    """Makes them under names of its own; the login of the ingress is written into a folder."""

    def __init__(self, api: AdminApi, folder: Path) -> None:
        self.api = api
        self.run = uuid.uuid4().hex[:8]
        self.kubeconfig = folder / "ingress.kubeconfig"
        api.make_namespace(NAMESPACE)

    def account(self, name: str) -> str:
        """Make a service account, and return its name as a user."""
        self.api.ensure(self._accounts, {"metadata": {"name": f"{name}-{self.run}"}})
        return f"system:serviceaccount:{NAMESPACE}:{name}-{self.run}"

    def delete_account(self, name: str) -> None:
        self.api.request("DELETE", f"{self._accounts}/{name}-{self.run}")

    def token(self, name: str, *audiences: str) -> str:
        """A token of an account (TokenRequest)."""
        spec = {"spec": {"audiences": list(audiences)}}
        answer = self.api.request("POST", f"{self._accounts}/{name}-{self.run}/token", spec)
        return str(answer["status"]["token"])

    def grant(self, *subjects: tuple[str, str]) -> None:
        """Let users and groups do everything with the jobs of the project."""
        name = f"jobs-{self.run}"
        rules = [
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "delete"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        ]
        self.api.ensure(f"{RBAC}/namespaces/{NAMESPACE}/roles", {"metadata": {"name": name}, "rules": rules})
        self.api.ensure(f"{RBAC}/namespaces/{NAMESPACE}/rolebindings", binding("Role", name, *subjects))

    def login(self, *rights: str) -> str:
        """A kubeconfig of an account that may create these reviews and nothing else, as the chart makes it."""
        user = self.account("ingress")
        name = f"reviews-{self.run}"
        rules = [
            {"apiGroups": ["authentication.k8s.io", "authorization.k8s.io"], "resources": [each], "verbs": RIGHTS[each]}
            for each in rights
        ]
        self.api.ensure(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
        self.api.ensure(f"{RBAC}/clusterrolebindings", binding("ClusterRole", name, ("User", user)))
        self.kubeconfig.write_text(kubeconfig(self.api.url, {"token": self.token("ingress")}, self.api.ca_file))
        return str(self.kubeconfig)

    @property
    def _accounts(self) -> str:
        return f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"


def binding(kind: str, name: str, *subjects: tuple[str, str]) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": kind, "name": name},
        "subjects": [{"apiGroup": group, "kind": kind, "name": name} for kind, name in subjects],
    }
