"""Submissions, and a process that submits them to an API that fails as scripted."""

import json
from collections.abc import Callable
from typing import Any

from service.cluster.cluster import Cluster
from service.settings import KubeSettings
from service.spec.limits import Limits
from service.submission.identity import SubmissionId, document_fingerprint
from service.submission.outcomes import Outcome
from service.submission.records import Submission
from service.submitter import Submitter
from service.telemetry.metrics import Metrics
from tests.unit.fake_api import Crash, FakeApi

ONE = SubmissionId("/tests", "one")
TWO = SubmissionId("/tests", "two")
NAMESPACE = "runai-team-a"
PLAIN = {"name": "train", "project": "team-a", "image": "python:3.12"}
RICH = {
    **PLAIN,
    "ports": [{"container": 80, "external": 32188}],
    "serviceType": "ingress",
    "pvc": [{"size": "3GB", "path": "/a"}, {"size": "4GB", "path": "/b"}],
}
RICH_OBJECTS = [
    "ingresses/train",
    "jobs/train",
    "persistentvolumeclaims/pvc-train-0",
    "persistentvolumeclaims/pvc-train-1",
    "services/train",
]


def submission(job: dict[str, Any], identity: SubmissionId = ONE) -> Submission:
    return Submission(
        id=identity,
        has_own_id=True,
        body=json.dumps({"job": job}).encode(),
        received=0.0,
        user="john",
        correlation_id="c-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def answered(sent: Submission, status: int, body: dict[str, Any], **more: Any) -> Outcome:
    return Outcome(
        id=sent.id,
        status=status,
        body=body,
        fingerprint=document_fingerprint(json.loads(sent.body)),
        user=sent.user,
        correlation_id=sent.correlation_id,
        traceparent=sent.traceparent,
        **more,
    )


class Caller:
    """A process that submits: counts how often the lease is confirmed, and the seconds slept.

    It looks for no PodTemplate unless `kube` names one, so that faults befall what is made.
    """

    def __init__(self, api: FakeApi, deadline: float = 0, **kube: Any) -> None:
        self.api = api
        self.metrics = Metrics()
        self.cluster = Cluster.build(api, KubeSettings(**{"pod_template": "", **kube}), 0.0001, self.metrics)  # type: ignore[arg-type] # a fake
        self.submitter = Submitter(self.cluster, Limits(), deadline)
        self.confirmed = 0
        self.slept: list[float] = []
        self.on_confirm: Callable[[], None] = lambda: None

    async def confirm(self) -> None:
        self.confirmed += 1
        self.on_confirm()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        assert len(self.slept) < 1000, "tries without end"

    async def submit(self, sent: Submission) -> Outcome:
        return await self.submitter.submit(sent, confirm=self.confirm, sleep=self.sleep)

    async def release(self, sent: Submission, outcome: Outcome) -> None:
        await self.submitter.release(sent, outcome, confirm=self.confirm, sleep=self.sleep)

    def paused(self) -> float:
        return self.metrics.kube_paused.collect()[0].samples[0].value

    def retries(self) -> dict[str, float]:
        return {
            sample.labels["reason"]: sample.value
            for metric in self.metrics.retries.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }


async def until_no_crash(api: FakeApi, sent: Submission) -> Outcome:
    """Submit from a new process after each crash, as the record is delivered again."""
    while True:
        try:
            return await Caller(api).submit(sent)
        except Crash:
            continue
