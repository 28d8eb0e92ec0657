"""What belongs to a Job: its claims, Service and Ingress, each deleted with it.

`job` builds the Job itself; the dependents are created after it, in this order, with an owner reference to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.manifests.labels import JOB_NAME_LABEL
from service.spec.mounts import NewClaim
from service.spec.network import Port
from service.submission.identity import claim_name
from service.validation import JobSubmission

_SERVICE_TYPES = {"nodeport": "NodePort", "loadbalancer": "LoadBalancer", "ingress": "ClusterIP"}


@dataclass(frozen=True, slots=True)
class Dependent:
    """An object that belongs to a Job; `resource` is its plural name in the API."""

    resource: str
    body: dict[str, Any]


def dependents(
    submission: JobSubmission, job: str, metadata: Callable[[str], dict[str, Any]], ingress_class: str | None
) -> tuple[Dependent, ...]:
    """Return the dependents of the Job named `job`; `metadata` makes the metadata of an object from its name."""
    found = [
        Dependent("persistentvolumeclaims", _claim(claim, metadata(claim_name(job, i))))
        for i, claim in enumerate(submission.pvc)
        if isinstance(claim, NewClaim)
    ]
    if submission.service_type in _SERVICE_TYPES:
        found.append(Dependent("services", _service(submission, metadata(job))))
    if submission.service_type == "ingress":
        found.append(Dependent("ingresses", _ingress(submission, metadata(job), ingress_class)))
    return tuple(found)


def owned_by(body: dict[str, Any], job_name: str, job_uid: str) -> dict[str, Any]:
    """Return a dependent that is collected with its Job.

    `blockOwnerDeletion` stays unset: setting it takes the right to update the owner's finalizers, where
    OwnerReferencesPermissionEnforcement is on.
    """
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job_name, "uid": job_uid}
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [owner]}}


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value: an absent one is left to Kubernetes' default."""
    return {name: value for name, value in fields.items() if value is not None}


def _claim(claim: NewClaim, metadata: dict[str, Any]) -> dict[str, Any]:
    spec = given(
        accessModes=["ReadWriteOnce"],
        volumeMode="Filesystem",
        resources={"requests": {"storage": claim.size}},
        storageClassName=claim.storage_class,
    )
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _service_port(port: Port, service_type: str) -> dict[str, Any]:
    on_node = service_type == "nodeport"
    return given(
        name=f"port-{port.container}",  # needed as soon as there are two
        port=port.container if on_node else port.external or port.container,
        targetPort=port.container,
        nodePort=port.external if on_node else None,  # unset: Kubernetes takes a free one
    )


def _service(submission: JobSubmission, metadata: dict[str, Any]) -> dict[str, Any]:
    service_type = submission.service_type or ""
    spec = {
        "type": _SERVICE_TYPES[service_type],
        "selector": {JOB_NAME_LABEL: metadata["name"]},
        "ports": [_service_port(port, service_type) for port in submission.ports],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _ingress(submission: JobSubmission, metadata: dict[str, Any], ingress_class: str | None) -> dict[str, Any]:
    port = _service_port(submission.ports[0], "ingress")["port"]
    path = {
        "path": f"/{submission.project}/{metadata['name']}",  # joined by '-' those of two projects could meet
        "pathType": "Prefix",
        "backend": {"service": {"name": metadata["name"], "port": {"number": port}}},
    }
    spec = given(ingressClassName=ingress_class, rules=[{"http": {"paths": [path]}}])
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}
