"""The accounts that the service logs in with under attack: they have the rights of the chart and no others.

The consumer's token stands in the kubeconfig, or comes out of a credential plugin that can be made to hang.

An administrator would never be refused. Everybody else is, for a while, by an API server that has just started and does
not know its roles yet (403), which must not be taken for a decision.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from devstack.api import AdminApi
from service.kube.access_review import CLUSTER_RIGHTS, RIGHTS
from service.kube.health import GROUPS
from service.watcher import WATCHED

NAMESPACE: Final = "faults"
CONSUMER: Final = RIGHTS | CLUSTER_RIGHTS
WATCHER: Final = dict.fromkeys(WATCHED, ("list", "watch"))
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


def account_token(api: AdminApi, name: str, rights: Mapping[str, Collection[str]]) -> str:
    """Make an account with these verbs by resource where it is missing; return a new token of it, good for an hour."""
    api.make_namespace(NAMESPACE)
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    api.ensure(accounts, {"metadata": {"name": name}})
    rules = [
        {"apiGroups": [GROUPS.get(resource, "")], "resources": [resource], "verbs": list(verbs)}
        for resource, verbs in rights.items()
    ]
    api.ensure(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}
    api.ensure(f"{RBAC}/clusterrolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
    token: str = api.request("POST", f"{accounts}/{name}/token", {"spec": {}})["status"]["token"]
    return token


class CredentialPlugin:
    """A program that gives the token, by its own words good for `LIFE_SECONDS`: it has to run again and again."""

    LIFE_SECONDS: Final = 3

    def __init__(self, folder: Path, name: str, token: str) -> None:
        self._program = folder / f"{name}-plugin"
        self._hanging = folder / f"{name}-plugin-hangs"
        self._program.write_text(
            f"""#!/bin/sh
while [ -e '{self._hanging}' ]; do sleep 0.1; done
expires=$(date --utc --date '+{self.LIFE_SECONDS} seconds' +%Y-%m-%dT%H:%M:%SZ)
cat << END
{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
  "status": {{"token": "{token}", "expirationTimestamp": "$expires"}}}}
END
"""
        )
        self._program.chmod(0o700)

    @property
    def user(self) -> dict[str, Any]:
        """The `user` section of a kubeconfig that runs it."""
        return {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": str(self._program),
                "interactiveMode": "Never",
            }
        }

    def hang(self) -> None:
        """Give nothing from now on, and do not end."""
        self._hanging.touch()

    def answer(self) -> None:
        """Give the token again."""
        self._hanging.unlink()
