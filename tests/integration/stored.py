"""What the API server stores for an object, less what it adds by itself.

Only literal defaults are taken away, so that a wrong value in their place still shows.
"""

from typing import Any

SERVER_METADATA = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
SERVER_LABELS = (
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
)
JOB_DEFAULTS = {
    "backoffLimit": 6,
    "completions": 1,
    "parallelism": 1,
    "completionMode": "NonIndexed",
    "manualSelector": False,
    "podReplacementPolicy": "Failed",
    "suspend": False,
}
POD_DEFAULTS = {
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
CONTAINER_DEFAULTS = {
    "terminationMessagePath": "/dev/termination-log",
    "resources": {},
}


def _without(body: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if not (key in defaults and defaults[key] == value)}


def _metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key not in SERVER_METADATA}


def job(live: dict[str, Any]) -> dict[str, Any]:
    """Return the Job as it was asked for."""
    spec = _without(live["spec"], JOB_DEFAULTS)
    spec.pop("selector")
    template = spec.pop("template")
    labels = {key: value for key, value in template["metadata"]["labels"].items() if key not in SERVER_LABELS}
    pod = _without(template["spec"], POD_DEFAULTS)
    pod["containers"] = [_container(container) for container in pod["containers"]]
    if "volumes" in pod:
        pod["volumes"] = [_volume(volume) for volume in pod["volumes"]]
    annotations = template["metadata"].get("annotations", {})
    metadata = _metadata(live["metadata"])
    return {"metadata": metadata, "spec": spec, "labels": labels, "annotations": annotations, "pod": pod}


def _container(container: dict[str, Any]) -> dict[str, Any]:
    container = _without(container, CONTAINER_DEFAULTS)
    if "ports" in container:
        container["ports"] = [_without(port, {"protocol": "TCP"}) for port in container["ports"]]
    return container


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    if "hostPath" in volume:
        volume = volume | {"hostPath": _without(volume["hostPath"], {"type": ""})}
    return volume


def dependent(live: dict[str, Any]) -> dict[str, Any]:
    """Return a claim, Service or Ingress as it was asked for, its owner reduced to kind and name."""
    metadata = _metadata(live["metadata"])
    metadata["ownerReferences"] = [(owner["kind"], owner["name"]) for owner in metadata["ownerReferences"]]
    spec = dict(live["spec"])
    for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy", "sessionAffinity"):
        spec.pop(name, None)
    for name in ("externalTrafficPolicy", "allocateLoadBalancerNodePorts", "healthCheckNodePort"):
        spec.pop(name, None)
    if spec.get("type") == "LoadBalancer":  # the server gives such a Service node ports as well
        spec["ports"] = [{key: value for key, value in port.items() if key != "nodePort"} for port in spec["ports"]]
    if "ports" in spec:
        spec["ports"] = [_without(port, {"protocol": "TCP"}) for port in spec["ports"]]
    return {"metadata": metadata, "spec": spec}
