"""An example of every body, for the documents; a rejection's is made by its own constructor."""

from typing import Any, Final

from service.api.exchange import ACCEPTED as ACCEPTED_MESSAGE
from service.errors import Fault, InvalidSubmission
from service.submission import rejections
from service.submission.rejection import Rejection

KEY: Final = "5xkbtubpcsbdm3q2vnaey7l4wzhg6rofi5jctkuxdq2pslbanv7e"
NAME: Final = "job-5xkbtubpcsbd"
AT: Final = 1764158400000

SUBMISSION: Final[dict[str, Any]] = {"job": {"project": "team-a", "image": "gcr.io/run-ai-demo/quickstart", "gpu": 1}}
WHOLE_SUBMISSION: Final[dict[str, Any]] = {
    "job": {
        "project": "team-a",
        "jobNamePrefix": "train",
        "image": "python:3.12",
        "command": "python -m train --epochs 3",
        "environment": {"SEED": 7},
        "gpu": 1,
        "cpu": 4,
        "memory": "16Gi",
        "volume": {"/mnt/data": "/data:ro"},
        "backoffLimit": 2,
        "ttlAfterFinish": "1h",
    }
}
CREATED: Final[dict[str, Any]] = {"name": NAME}
ACCEPTED: Final[dict[str, Any]] = {
    "status": 202,
    "message": ACCEPTED_MESSAGE,
    "id": KEY,
    "name": NAME,
}
CANCELLED: Final[dict[str, Any]] = {"submission": KEY, "project": "team-a", "name": NAME}
WAITING: Final[dict[str, Any]] = {
    "reason": "NotEnoughGpu",
    "class": "capacity",
    "sentence": "asks 8 GPUs, the largest free node has 4",
    "next": "wait, or ask for fewer",
    "since": AT,
    "stage": "schedule",
    "evidence": ["0/3 nodes are available: 3 Insufficient nvidia.com/gpu."],
}
JOB_STATE: Final[dict[str, Any]] = {
    "id": "0f6f2f1e-7a35-4f0a-9d55-1c0a7a1b2c3d",
    "submission": KEY,
    "cluster": "main",
    "project": "team-a",
    "name": NAME,
    "namespace": "runai-team-a",
    "user": "john",
    "type": "Train",
    "status": "Running",
    "phase": "Running",
    "waiting": None,
    "createdAt": AT,
    "startedAt": AT + 2000,
    "finishedAt": None,
    "deletedAt": None,
    "images": ["gcr.io/run-ai-demo/quickstart"],
    "nodes": ["node-1"],
    "requestedGPUs": 1,
    "allocatedGPUs": 1,
    "completions": 1,
    "parallelism": 1,
    "pods": {"pending": 0, "running": 1, "succeeded": 0, "failed": 0},
    "restarts": 0,
    "exit": None,
    "history": [
        {"at": AT, "phase": "Pending", "reason": None},
        {"at": AT + 2000, "phase": "Running", "reason": None},
    ],
}
JOB: Final[dict[str, Any]] = JOB_STATE | {
    "images": "gcr.io/run-ai-demo/quickstart",
    "currentAllocatedGPUs": 1,
}
JOB_VIEW: Final[dict[str, Any]] = {
    name: JOB[name]
    for name in (
        "id",
        "project",
        "name",
        "status",
        "type",
        "nodes",
        "createdAt",
        "images",
        "user",
        "currentAllocatedGPUs",
    )
}
EARLIEST_JOB_VIEW: Final[dict[str, Any]] = JOB_VIEW | {"nodes": "node-1"}
JOB_EVENT: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": f"{JOB_STATE['id']}/2",
    "source": f"/clusters/main/namespaces/runai-team-a/jobs/{NAME}",
    "type": "io.job-submission.job.running",
    "subject": f"team-a/{NAME}",
    "time": "2025-11-26T12:00:02.000Z",
    "sequence": "2",
    "datacontenttype": "application/json",
    "data": JOB_STATE,
}
PROJECT: Final[dict[str, Any]] = {
    "name": "team-a",
    "createdAt": AT,
    "deservedGpus": 0,
    "interactiveJobTimeLimitSecs": 0,
    "trainNodeAffinity": [],
    "interactiveNodeAffinity": [],
    "departmentName": "default",
    "managedNamespace": "runai-team-a",
}

THROUGHPUT: Final[dict[str, Any]] = {
    "seconds": 5,
    "data": [
        {"at": AT, "waiting": 12, "done": 40, "refused": 1},
        {"at": AT + 5000, "waiting": None, "done": 0, "refused": 0},
    ],
}
NO_LOGIN: Final[dict[str, Any]] = {"authentication": "none", "oidc": None}
LOGIN: Final[dict[str, Any]] = {
    "authentication": "oidc",
    "oidc": {
        "issuer": "https://issuer.example",
        "clientId": "job-submission",
        "scope": "openid profile email",
        "authorizationEndpoint": "https://issuer.example/auth",
        "tokenEndpoint": "https://issuer.example/token",
    },
}

_OBJECT: Final = f"Job runai-team-a/{NAME}"
_REJECTIONS: Final = (
    rejections.invalid_parameters(
        InvalidSubmission(
            (
                Fault("job.gpu", "must be a number of GPUs from 0 to 1000000"),
                Fault("job.imagee", "is not a parameter; did you mean image?"),
            )
        )
    ),
    rejections.invalid_object(f"{_OBJECT} is invalid", "spec.template.spec.containers[0].image: Required value"),
    rejections.incomplete_body(),
    rejections.body_timeout(30),
    rejections.too_large("the body is larger than 65536 bytes, HTTP_MAX_BODY_BYTES"),
    rejections.unsupported_media_type("the body must be JSON: send Content-Type: application/json"),
    rejections.malformed_request("Invalid header token"),
    rejections.headers_too_large(16384),
    rejections.expectation_failed(),
    rejections.path_too_long(8190),
    rejections.unknown_path("POST a job to /api/job"),
    rejections.method_not_allowed("POST a job to /api/job"),
    rejections.unauthorized("the token is not known"),
    rejections.unsigned(),
    rejections.bad_signature("the signature is not one of this record by the key scheduler"),
    rejections.signer_forbidden("the key scheduler may not speak for the project team-b"),
    rejections.cannot_sign(),
    rejections.forbidden("user john is not allowed to submit to project team-b"),
    rejections.policy_denied(f"a policy of the cluster denies {_OBJECT}", "no privileged pods here"),
    rejections.unknown_project("the project team-c is unknown: there is no namespace runai-team-c"),
    rejections.unknown_submission(KEY),
    rejections.no_such_log(f"team-a/{NAME}", "container sidecar is not valid for pod"),
    rejections.logs_not_served(),
    rejections.name_taken(f"the name {NAME} is taken by another Job"),
    rejections.cancelled(),
    rejections.invalid_pod_template("the PodTemplate runai-team-a/job-submission has no container named job"),
    rejections.unknown_job("team-a", "trian", ["train"]),
    rejections.job_not_located(KEY),
    rejections.not_started(f"team-a/{NAME}", "asks 8 GPUs, the largest free node has 4"),
    rejections.too_old(),
    rejections.logs_gone(f"team-a/{NAME}"),
    rejections.id_reused(NAME),
    rejections.quota_exceeded("the quota of project team-a is used up", "exceeded quota: count/jobs.batch=10"),
    rejections.too_many_requests(),
    rejections.not_accepted("Kafka cannot take the submission: nothing was accepted; try again later"),
    rejections.jobs_not_loaded("the topic job-events is being read"),
    rejections.credentials_unreadable(),
    rejections.access_unknown("the issuer of tokens cannot be asked"),
    rejections.maybe_accepted(),
    rejections.logs_unavailable("the watcher does not answer"),
    rejections.deadline_exceeded(3600, "the API server did not answer"),
    rejections.handling_failed(),
    rejections.internal_error(),
)

OF_REASONS: Final[dict[str, Rejection]] = {rejection.reason: rejection for rejection in _REJECTIONS}
"""A rejection of each reason."""
