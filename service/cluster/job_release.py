"""Takes the hold off a Job with a short TTL, and what else is patched on a Job: each under its uid, so on no other."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from service.cluster.ownership import Holder, same_submission
from service.kube import ApiError, Confirm, KubeApi
from service.kube.decisions import is_gone
from service.manifests.job import is_held
from service.manifests.labels import RELEASE_PATCH
from service.submission.outcomes import Outcome


async def release_job(api: KubeApi, namespace: str, outcome: Outcome, confirm: Confirm) -> None:
    """Take the hold off the Job of a successful outcome, if it is there and held; repeating it is harmless."""
    found = await api.read("jobs", namespace, str(outcome.name))
    if found is None or not is_held(found):
        return
    metadata = found["metadata"]
    if same_submission(metadata, outcome.id, outcome.fingerprint) is Holder.SAME:
        with unless_gone():
            await api.patch("jobs", namespace, metadata["name"], release_patch(metadata, {}), confirm)


@contextmanager
def unless_gone() -> Iterator[None]:
    """Pass over the answer that an object is gone, or that another one has its name by now."""
    try:
        yield
    except ApiError as error:
        if not is_gone(error.answer):
            raise


def release_patch(metadata: Mapping[str, Any], annotations: dict[str, str]) -> dict[str, Any]:
    """Take the hold off this very Job (a uid in a patch is a precondition) and annotate it."""
    return {"metadata": {"uid": metadata["uid"], "annotations": annotations, **RELEASE_PATCH["metadata"]}}
