"""The Job of the least request, written out once, and how a case builds one."""

from typing import Any

from service.manifests.job import ManifestOptions, Manifests, build
from service.manifests.profiles import PROFILES
from service.spec.limits import Limits
from service.submission.identity import SubmissionId
from service.validation import JobSubmission, validate

ONE = SubmissionId("/topics/job-submissions", "order-17")
PRINT = "ab" * 32
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LABELS = {
    "app.kubernetes.io/managed-by": "job-submission",
    "job-submission.io/installation": "job-submission",
    "project": "team-a",
    "job-submission.io/submission": ONE.key,
}
ANNOTATIONS = {"job-submission.io/submission-id": ONE.key, "job-submission.io/fingerprint": PRINT}


def submission(profile: str = "kubernetes", **job: Any) -> JobSubmission:
    can = PROFILES[profile]
    limits = Limits(shares_gpus=can.shares_gpus, elastic_parallelism=can.elastic_parallelism)
    return validate({"job": {"project": "team-a", "image": "busybox", **job}}, limits)


def built(
    job: dict[str, Any],
    profile: str = "kubernetes",
    *,
    user: str | None = None,
    traceparent: str | None = None,
    options: ManifestOptions | None = None,
    identity: SubmissionId = ONE,
) -> Manifests:
    return build(
        submission(profile, **job),
        id=identity,
        name="train-1",
        namespace="runai-team-a",
        profile=PROFILES[profile],
        user=user,
        fingerprint=PRINT,
        traceparent=traceparent,
        options=options or ManifestOptions(),
    )


def job_manifest(
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    metadata: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    pod_labels: dict[str, str] | None = None,
    pod_metadata: dict[str, Any] | None = None,
    pod: dict[str, Any] | None = None,
    container: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The Job of the least request, with what the case adds."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "train-1",
            "namespace": "runai-team-a",
            "labels": {**LABELS, **(labels or {})},
            "annotations": {**ANNOTATIONS, **(annotations or {})},
            **(metadata or {}),
        },
        "spec": {
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            **(spec or {}),
            "template": {
                "metadata": {"labels": {**LABELS, **(pod_labels or {})}, **(pod_metadata or {})},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    **(pod or {}),
                    "containers": [
                        {
                            "name": "job",
                            "image": "busybox",
                            "imagePullPolicy": "Always",
                            "terminationMessagePolicy": "FallbackToLogsOnError",
                            **(container or {}),
                        }
                    ],
                },
            },
        },
    }
