"""What the service has to be allowed to do in the namespaces of the projects, and whether it is.

The chart's Roles grant exactly this. Checked at start where the projects are known (`KUBE_PROJECTS`), so that a missing
right is found before the first submission that needs it.
"""

from collections.abc import Iterable
from typing import Final

from service.kube.api import KubeApi

RIGHTS: Final = {
    "jobs": ("create", "get", "patch", "delete"),
    "persistentvolumeclaims": ("create", "get"),
    "services": ("create", "get"),
    "ingresses": ("create", "get"),
}
"""Verbs by resource."""


async def missing_rights(api: KubeApi, namespaces: Iterable[str]) -> list[str]:
    """Return a sentence for each right that is missing; asks a SelfSubjectAccessReview for each.

    Raises ApiError, ApiUnreachable.
    """
    return [
        f"may not {verb} {resource} in namespace {namespace}"
        for namespace in sorted(namespaces)
        for resource, verbs in RIGHTS.items()
        for verb in verbs
        if not await api.can_i(verb, resource, namespace)
    ]
