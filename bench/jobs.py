"""The job that is submitted over and over, of the size of the document's examples, and what it becomes."""

import uuid
from collections.abc import Iterator
from typing import Any, Final

import orjson

from service.manifests.job import ManifestOptions, build
from service.manifests.profiles import PROFILES
from service.spec.limits import Limits
from service.submission.identity import SubmissionId
from service.validation import validate

PROJECT: Final = "bench"
NAMESPACE: Final = f"runai-{PROJECT}"
USER: Final = "john"


def document(project: str = PROJECT) -> dict[str, Any]:
    """Return the request body as an object."""
    return {
        "job": {
            "project": project,
            "image": "gcr.io/run-ai-demo/quickstart",
            "command": "python -u train.py",
            "arguments": ["--epochs", "90", "--lr", "0.1"],
            "environment": {"BATCH_SIZE": 50, "LEARNING_RATE": 0.2, "DATA": "/data/imagenet"},
            "gpu": 1,
            "cpu": 4,
            "memory": "16GB",
            "workingDir": "/workspace",
            "volume": {"/raid/public": "/data:ro"},
            "backoffLimit": 2,
            "largeShm": True,
        }
    }


BODY: Final = orjson.dumps(document())


def fresh_id() -> SubmissionId:
    """Return an id that no other submission has."""
    return SubmissionId("/bench", uuid.uuid4().hex)


def manifest(submission: SubmissionId) -> dict[str, Any]:
    """Return the Job that the service makes of the body."""
    job = validate(document(), Limits())
    name = f"job-{submission.key[:12]}"
    made = build(
        job,
        id=submission,
        name=name,
        namespace=NAMESPACE,
        profile=PROFILES["kubernetes"],
        user=USER,
        fingerprint="0" * 64,
        traceparent=None,
        options=ManifestOptions(),
    )
    return made.job


def manifests() -> Iterator[dict[str, Any]]:
    """Yield Jobs that differ in name and id alone, without end."""
    template = manifest(fresh_id())
    metadata = template["metadata"]
    while True:
        unique = fresh_id()
        yield template | {"metadata": metadata | {"name": f"job-{unique.key[:12]}"}}
