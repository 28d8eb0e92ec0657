"""Whose object it is: this installation's, and this submission's. Told by labels and annotations alone."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from service.manifests.labels import (
    FINGERPRINT_ANNOTATION,
    INSTALLATION_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    SUBMISSION_ID_ANNOTATION,
)
from service.submission.identity import SubmissionId
from service.submission.outcomes import UnseenId


class Holder(StrEnum):
    """Whose object it is that has the name already."""

    SAME = "same"
    """Made by this submission from this request: the work is done."""
    OTHER_BODY = "other body"
    """Made by this submission from another request: 422."""
    SOMEBODY_ELSES = "somebody else's"
    """Made by anybody else: 409, or the next name where it was generated."""


def same_submission(metadata: Mapping[str, Any], submission_id: SubmissionId | UnseenId, fingerprint: str) -> Holder:
    """Tell whose object it is from its `metadata`.

    Only the annotations count: schedulers rewrite the rest of a live Job (Kueue its `suspend` and `parallelism`).
    """
    annotations = metadata.get("annotations") or {}
    if annotations.get(SUBMISSION_ID_ANNOTATION) != submission_id.key:
        return Holder.SOMEBODY_ELSES
    return Holder.SAME if annotations.get(FINGERPRINT_ANNOTATION) == fingerprint else Holder.OTHER_BODY


def is_ours(metadata: Mapping[str, Any], installation: str) -> bool:
    """Tell whether this installation made a Job, or the Job of a pod, from its `metadata`.

    Only such Jobs are told, and may be deleted by name. One without a label of an installation was made by a release
    that wrote none: it is everybody's, as it was then.
    """
    labels = metadata.get("labels")
    if not isinstance(labels, Mapping) or labels.get(MANAGED_BY_LABEL) != MANAGER:
        return False
    return bool(labels.get(INSTALLATION_LABEL, installation) == installation)
