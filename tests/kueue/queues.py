"""Kueue's objects as the tests make and read them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devstack.api import AdminApi
from devstack.cluster import LocalCluster
from devstack.kueue import LocalKueue
from tests.node.jobs import until

GPUS = 4
"""What the queue of the guide has."""

_KUEUE = "/apis/kueue.x-k8s.io/v1beta2"
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"
_GUIDE = Path(__file__).parents[2] / "docs" / "install.md"


@dataclass
class Queues:
    """The cluster, its Kueue, and what Kueue says of a Job."""

    cluster: LocalCluster
    kueue: LocalKueue

    def workload(self, uid: str) -> dict[str, Any] | None:
        """The Workload of a Job, by the label that Kueue gives it."""
        path = f"{_KUEUE}/workloads?labelSelector=kueue.x-k8s.io%2Fjob-uid%3D{uid}"
        found = self.cluster.api.request("GET", path)["items"]
        return found[0] if found else None

    def until_said(self, uid: str, condition: str, reason: str) -> str:
        """The message of a condition of the Job's Workload, once it has this reason."""

        def message() -> str | None:
            for each in (self.workload(uid) or {}).get("status", {}).get("conditions", ()):
                if (each["type"], each["reason"]) == (condition, reason):
                    return str(each["message"])
            return None

        return until(message, lambda: self.workload(uid))

    def hold(self, *, stopped: bool) -> None:
        """Stop the queue, whose admitted jobs are sent back, or let it go on."""
        policy = {"spec": {"stopPolicy": "HoldAndDrain" if stopped else "None"}}
        self.cluster.api.request("PATCH", f"{_KUEUE}/clusterqueues/gpus", policy)

    def take_webhooks_away(self) -> list[tuple[str, dict[str, Any]]]:
        """Remove Kueue's webhooks of Jobs, as an installation without them; what `put_back` takes."""
        taken = []
        for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
            for each in self.cluster.api.request("GET", f"{_WEBHOOKS}/{kind}")["items"]:
                name = each["metadata"]["name"]
                self.cluster.api.request("DELETE", f"{_WEBHOOKS}/{kind}/{name}")
                taken.append((f"{_WEBHOOKS}/{kind}", {"metadata": {"name": name}, "webhooks": each["webhooks"]}))
        return taken

    def put_back(self, taken: list[tuple[str, dict[str, Any]]]) -> None:
        """Make the webhooks again as they were."""
        for path, body in taken:
            self.cluster.api.request("POST", path, body)


def make_queues(api: AdminApi) -> None:
    """Make what the guide says an administrator makes: the queues of team-a, and a priority class `urgent`."""
    (text,) = re.findall(r"^# kueue\.yaml\n(.+?)^```$", _GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    for body in yaml.safe_load_all(text):
        namespace = body["metadata"].get("namespace")
        place = f"/namespaces/{namespace}" if namespace else ""
        plural = {"WorkloadPriorityClass": "workloadpriorityclasses"}.get(body["kind"], f"{body['kind'].lower()}s")
        api.ensure(f"{_KUEUE}{place}/{plural}", body)
