"""KAI's queues, and the parts of it that a machine without GPUs has to play."""

from dataclasses import dataclass

from devstack.api import AdminApi
from devstack.cluster import LocalCluster
from devstack.kai import RESERVATIONS, LocalKai

GPUS = 4
"""The quota of team-a, and its limit."""

_QUEUES = "/apis/scheduling.run.ai/v2/queues"
_NONE = {"quota": -1, "limit": -1}


@dataclass
class KaiCluster:
    """The cluster and its KAI."""

    cluster: LocalCluster
    kai: LocalKai

    def play_reservations(self) -> None:
        """Say which GPU each pod got that reserves one, as its container would."""
        path = f"/api/v1/namespaces/{RESERVATIONS}/pods"
        for number, pod in enumerate(self.cluster.api.request("GET", path)["items"]):
            if "run.ai/reserve_for_gpu_index" not in pod["metadata"].get("annotations", {}):
                told = {"metadata": {"annotations": {"run.ai/reserve_for_gpu_index": f"gpu-{number}"}}}
                self.cluster.api.request("PATCH", f"{path}/{pod['metadata']['name']}", told)


def make_queues(api: AdminApi) -> None:
    """Make the queue team-a below a parent: KAI schedules to no others."""
    gpus = {"quota": GPUS, "limit": GPUS, "overQuotaWeight": 1}
    everything = {"cpu": _NONE, "memory": _NONE}
    for name, spec in {
        "all": {"resources": everything | {"gpu": _NONE}},
        "team-a": {"parentQueue": "all", "resources": everything | {"gpu": gpus}},
    }.items():
        body = {"apiVersion": "scheduling.run.ai/v2", "kind": "Queue", "metadata": {"name": name}, "spec": spec}
        api.ensure(_QUEUES, body)
