"""Whose object it is that has the name already: told by its annotations."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from service.manifests.labels import FINGERPRINT_ANNOTATION, SUBMISSION_ID_ANNOTATION
from service.submission.identity import SubmissionId


class Holder(StrEnum):
    """Whose object it is that has the name already."""

    SAME = "same"
    """Made by this submission from this request: the work is done."""
    OTHER_BODY = "other body"
    """Made by this submission from another request: 422."""
    SOMEBODY_ELSES = "somebody else's"
    """Made by anybody else: 409, or the next name where it was generated."""


def same_submission(metadata: Mapping[str, Any], submission_id: SubmissionId, fingerprint: str) -> Holder:
    """Tell whose object it is from its `metadata`.

    Only the annotations count: schedulers rewrite the rest of a live Job (Kueue its `suspend` and `parallelism`).
    """
    annotations = metadata.get("annotations") or {}
    if annotations.get(SUBMISSION_ID_ANNOTATION) != submission_id.key:
        return Holder.SOMEBODY_ELSES
    return Holder.SAME if annotations.get(FINGERPRINT_ANNOTATION) == fingerprint else Holder.OTHER_BODY
