"""What the service has to be allowed to do, and whether it is.

The chart grants exactly this. Checked at start where the projects are known (`KUBE_PROJECTS`), so that a missing
right is found before the first submission that needs it.
"""

from collections.abc import Iterable
from typing import Final

from service.kube.client import KubeApi

RIGHTS: Final[dict[str, tuple[str, ...]]] = {
    "jobs": ("create", "get", "patch", "delete"),
    "persistentvolumeclaims": ("create", "get"),
    "services": ("create", "get"),
    "ingresses": ("create", "get"),
    "podtemplates": ("get",),
}
"""Verbs by resource, in the namespaces of the projects."""

OWN_RIGHTS: Final[dict[str, tuple[str, ...]]] = {"podtemplates": ("get",)}
"""Verbs by resource in the service's own namespace: the PodTemplate of projects that have none."""

CLUSTER_RIGHTS: Final[dict[str, tuple[str, ...]]] = {"namespaces": ("get",)}
"""Verbs by resource in the whole cluster: to tell a project that is unknown (404) from one that is forbidden (403)."""


async def missing_rights(
    api: KubeApi, namespaces: Iterable[str], own: str | None, *, with_templates: bool
) -> list[str]:
    """Return a sentence for each right that is missing; asks a SelfSubjectAccessReview for each.

    `own` is the service's own namespace, where it has one; `with_templates` tells whether it reads PodTemplates.

    Raises ApiError, ApiUnreachable.
    """
    used = {resource: verbs for resource, verbs in RIGHTS.items() if with_templates or resource != "podtemplates"}
    places: list[tuple[str, str | None, dict[str, tuple[str, ...]]]]
    places = [(f"in namespace {namespace}", namespace, used) for namespace in sorted(namespaces)]
    if own is not None and with_templates:
        places.append((f"in namespace {own}", own, OWN_RIGHTS))
    places.append(("in the cluster", None, CLUSTER_RIGHTS))
    return [
        f"may not {verb} {resource} {where}"
        for where, namespace, rights in places
        for resource, verbs in rights.items()
        for verb in verbs
        if not await api.can_i(verb, resource, namespace)
    ]
