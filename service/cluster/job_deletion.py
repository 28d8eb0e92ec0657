"""Deletes the Job of a submission that was cancelled, and looks up whose Job has a name.

No Job but the submission's own is deleted: its annotation tells, and its uid is the precondition. What it owns is
collected with it. A create that is still on its way at the API server could bring the Job about after the deletion: of
an earlier holder of the partition, or of this process, where the answer never came. So the name is looked at once more
when none of them can be carried out any longer.
"""

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from service.cluster.cluster import Cluster
from service.cluster.job_release import release_patch, unless_gone
from service.cluster.ownership import is_ours
from service.cluster.retries import Sleep
from service.kube import ApiError, Confirm, KubeApi
from service.kube.decisions import is_denied_by_roles
from service.manifests.job import is_held
from service.manifests.labels import PARTITION_ANNOTATION, PROJECT_LABEL, SUBMISSION_ID_ANNOTATION
from service.submission.identity import is_submission_key
from service.telemetry.logs import log


class Holder(StrEnum):
    """Who has a name, after the submission's own Job is deleted."""

    NOBODY = "nobody"
    OWN_JOB = "own job"
    """The submission's Job, which is deleted now, or is being deleted."""
    ANOTHER = "another"


async def delete_jobs(
    cluster: Cluster, namespace: str, names: Iterable[str], key: str, *, confirm: Confirm, sleep: Sleep, since: float
) -> None:
    """Delete the Job of the submission `key`, and return when there is none and none can come any more.

    It has one of `names`, which are tried as they are when a Job is made: one that nobody has is the last. `since` is
    when the lease of the partition began, by the event loop's clock. Raises ApiError where the deletion is refused for
    good, LeaseLost.
    """
    names = list(names)
    now = asyncio.get_running_loop().time
    settled = since + cluster.request_seconds
    while True:
        began = now()
        for name in names:
            step = partial(_delete_job, cluster.api, namespace, name, key, confirm)
            settled = max(settled, cluster.unsettled.settled_at(namespace, name))
            if await cluster.until_final(step, namespace, sleep) is not Holder.ANOTHER:
                break
        if began >= settled:
            return
        await sleep(settled - began)


async def _delete_job(api: KubeApi, namespace: str, name: str, key: str, confirm: Confirm) -> Holder:
    """Delete a Job if it is the submission's own and is not being deleted; say who had the name."""
    found = await _read(api, namespace, name)
    if found is None:
        return Holder.NOBODY
    metadata = found["metadata"]
    if (metadata.get("annotations") or {}).get(SUBMISSION_ID_ANNOTATION) != key:
        return Holder.ANOTHER
    if is_held(found):  # a hold would keep the pods running: they are stopped when the Job is gone
        with unless_gone():
            await api.patch("jobs", namespace, name, release_patch(metadata, {}), confirm)
    if "deletionTimestamp" not in metadata:
        with unless_gone():
            await api.delete("jobs", namespace, name, metadata["uid"], confirm)
            log.info("job-deleted", submission=key, namespace=namespace, name=name, uid=metadata["uid"])
    return Holder.OWN_JOB


async def _read(api: KubeApi, namespace: str, name: str) -> dict[str, Any] | None:
    """Read a Job; a namespace that does not exist has none, although the service has no rights in it either."""
    try:
        return await api.read("jobs", namespace, name)
    except ApiError as error:
        if is_denied_by_roles(error.answer) and await api.has_namespace(namespace) is False:
            return None
        raise


class JobOwner(NamedTuple):
    """The submission that a Job is of: its key and, where it is identified by its record's offset, the partition."""

    submission: str
    partition: int | None = None


async def owner_of(cluster: Cluster, project: str, name: str, sleep: Sleep) -> JobOwner | None:
    """Return the submission that the Job of this name in a project is of; None without one of this installation.

    One that is being deleted counts. Raises ApiError where the service may not look.
    """
    namespace = cluster.namespace(project)
    found = await cluster.until_final(partial(_read, cluster.api, namespace, name), namespace, sleep)
    metadata = (found or {}).get("metadata") or {}
    if not is_ours(metadata, cluster.options.installation) or metadata["labels"].get(PROJECT_LABEL) != project:
        return None  # several projects may share a namespace
    annotations = metadata.get("annotations") or {}
    key, partition = annotations.get(SUBMISSION_ID_ANNOTATION, ""), annotations.get(PARTITION_ANNOTATION, "")
    return JobOwner(key, int(partition) if partition.isdecimal() else None) if is_submission_key(key) else None
