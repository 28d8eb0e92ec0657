"""What Kueue and KAI keep of a Job, with a status as recorded from the real ones."""

from typing import Any


def condition(kind: str) -> dict[str, str]:
    return {"type": kind, "reason": kind, "lastTransitionTime": "2026-01-01T00:00:00Z"}


def _owned(uid: str) -> dict[str, Any]:
    return {
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": uid, "controller": True}]
    }


def workload(uid: str, conditions: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "job", "image": "busybox"}], "restartPolicy": "Never"}}
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "Workload",
        "metadata": _owned(uid),
        "spec": {"queueName": "research", "podSets": [{"name": "main", "count": 1, "template": template}]},
        "status": {"conditions": [{**condition(each["type"]), **each} for each in conditions]},
    }


def pod_group(uid: str, reasons: tuple[dict[str, str], ...]) -> dict[str, Any]:
    unschedulable = {
        **condition("UnschedulableOnNodePool"),
        "nodePool": "default",
        "transitionID": "1",
        "reason": "Unschedulable",
        "message": "see reasons",
        "status": "True",
        "reasons": list(reasons),
    }
    return {
        "apiVersion": "scheduling.run.ai/v2alpha2",
        "kind": "PodGroup",
        "metadata": _owned(uid),
        "spec": {"queue": "research", "minMember": 1},
        "status": {"schedulingConditions": [unschedulable]},
    }
