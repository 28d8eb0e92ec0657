"""Every label, annotation and finalizer that this service writes or selects by, once each.

What is written here stands on the objects of running installations: never change a value.
"""

from typing import Any, Final

SUBMISSION_ID_ANNOTATION: Final = "job-submission.io/submission-id"
"""On every object: the key of the submission that made it. Answers "is this Job mine?"."""

FINGERPRINT_ANNOTATION: Final = "job-submission.io/fingerprint"
"""On every object: the fingerprint of the request. Answers "was it the same request?"."""

SUBMISSION_LABEL: Final = "job-submission.io/submission"
"""On every object and pod: the same key, to select by (`kubectl get pods -l job-submission.io/submission=<id>`)."""

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
"""On every object and pod: Kubernetes' recommended label for the tool that manages an object."""

MANAGER: Final = "job-submission"
"""The value of `MANAGED_BY_LABEL`."""

INSTALLATION_LABEL: Final = "job-submission.io/installation"
"""On every object and pod: which installation made it, where a cluster has several. See `cluster.ownership.is_ours`."""

DEFAULT_INSTALLATION: Final = "job-submission"
"""The value of `INSTALLATION_LABEL` where no setting gives another."""

PROJECT_LABEL: Final = "project"
"""On every object and pod: the project, as Run:AI labels it."""

USER: Final = "job-submission.io/user"
"""On every object: the submitting user as an annotation. A label too, on pods as well, where the name can be one."""

TRACEPARENT_ANNOTATION: Final = "job-submission.io/traceparent"
"""On the Job: the W3C trace context of the submission."""

PARTITION_ANNOTATION: Final = "job-submission.io/partition"
"""On the Job of a record without an id: the record's partition, where its outcome stands and its events belong too."""

HOLD_FINALIZER: Final = "job-submission.io/outcome-pending"
"""On a Job with a short TTL until its outcome is acknowledged: it may be deleted, but its name stays taken."""

JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
"""Put on pods by the Job controller; Services select by it."""

NODE_TYPE_LABEL: Final = "run.ai/type"
"""On nodes, by their administrator: what `nodeType` selects."""

REJECTION_ANNOTATION: Final = "job-submission.io/rejection"
"""On a Job that is taken back: the rejection, so that whoever finds the Job still there goes on taking it back."""

REJECTION_REASON_ANNOTATION: Final = "job-submission.io/rejection-reason"
"""Beside `REJECTION_ANNOTATION`: the reason of the rejection, a word for programs."""

TYPE_ANNOTATION: Final = "job-submission.io/type"
"""On the Job of a session: `INTERACTIVE`. Without it a Job is a training run, as the old API's `Train`."""

INTERACTIVE: Final = "Interactive"
"""The value of `TYPE_ANNOTATION`."""

GPU_FRACTION_ANNOTATION: Final = "gpu-fraction"
"""On pods, under a profile that shares GPUs: the part of one GPU."""

FIXED_ANNOTATION: Final = "job-submission.io/fixed"
"""On a project's PodTemplate, by its administrator: the fields that no request changes, see `pod_template`."""

RELEASE_PATCH: Final[dict[str, Any]] = {"metadata": {"$deleteFromPrimitiveList/finalizers": [HOLD_FINALIZER]}}
"""Strategic merge patch that takes `HOLD_FINALIZER` off a Job and leaves those of others; repeating it is harmless."""
