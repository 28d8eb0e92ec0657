"""Cancels on the topic, on real servers: what was cancelled has no Job, and nobody else's is hit."""

import asyncio
import json
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from bench.fairness import WEBHOOKS, webhook
from devstack.ports import free_port
from service.submission.cancels import Cancel
from service.submission.identity import SubmissionId, generated_name
from service.submission.records import CANCEL_TYPE

JOB = {"project": "team-a", "image": "quickstart"}
API = Path(__file__).parents[2] / "docs" / "api.md"
JOBS = "/apis/batch/v1/namespaces/runai-team-a/jobs"


class Records:
    """Creates and cancels on the topic, each with its outcome."""

    def __init__(self, topic) -> None:
        self._topic = topic

    async def send(self, value: bytes, own_id: str, correlation_id: str = "", **headers: bytes) -> SubmissionId:
        identity = SubmissionId("/tests", own_id)
        sent = {"ce_id": own_id.encode(), "ce_source": b"/tests", "correlation-id": correlation_id.encode()}
        await self._topic.send(value, sent | headers, key=identity.key.encode())
        return identity

    async def create(self, own_id: str, job: dict = JOB) -> SubmissionId:
        return await self.send(json.dumps({"job": job}).encode(), own_id)

    async def cancel(self, own_id: str | None = None, correlation_id: str = "", **target: str) -> SubmissionId:
        own_id = own_id or uuid.uuid4().hex
        return await self.send(Cancel(**target).body(), own_id, correlation_id, ce_type=CANCEL_TYPE.encode())

    async def outcome(self, identity: SubmissionId) -> tuple[int, dict]:
        record = await self._topic.outcome(identity.key)
        return int(dict(record.headers)["status"]), json.loads(record.value)

    async def created(self, own_id: str, job: dict = JOB) -> tuple[SubmissionId, str]:
        identity = await self.create(own_id, job)
        status, body = await self.outcome(identity)
        assert status == 200, body
        return identity, body["name"]


@pytest.fixture
def records(topic):
    return Records(topic)


@pytest.fixture
def gone(api):
    async def is_gone(name: str, namespace: str = "runai-team-a") -> bool:
        status, _ = await api.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}")
        return status == 404

    return is_gone


async def test_by_id_the_job_goes_with_all_that_it_owns(records, api, gone):
    own_id = uuid.uuid4().hex
    job = JOB | {"ports": [{"container": 80}], "serviceType": "ingress", "pvc": [{"size": "1G", "path": "/d"}]}
    identity, name = await records.created(own_id, job)
    answer = await records.outcome(await records.cancel(submission=identity.key))
    assert answer == (200, {"submission": identity.key, "project": "team-a", "name": name})
    assert await gone(name)
    selector = f"labelSelector=job-submission.io/submission={identity.key}"
    async with asyncio.timeout(60):  # the garbage collector of the cluster
        for path in (
            "/api/v1/namespaces/runai-team-a/services",
            "/apis/networking.k8s.io/v1/namespaces/runai-team-a/ingresses",
        ):
            while (await api.request("GET", f"{path}?{selector}"))[1]["items"]:
                await asyncio.sleep(0.2)


async def test_by_name_the_newest_job_goes_and_a_later_one_stays(records, gone):
    name = f"train-{uuid.uuid4().hex[:8]}"
    first, _ = await records.created(uuid.uuid4().hex, JOB | {"name": name})
    cancel = uuid.uuid4().hex
    answer = await records.outcome(await records.cancel(cancel, project="team-a", name=name))
    assert answer == (200, {"submission": first.key, "project": "team-a", "name": name})
    assert await gone(name)
    await records.created(uuid.uuid4().hex, JOB | {"name": name})
    again = await records.outcome(await records.cancel(cancel, "again", project="team-a", name=name))
    assert again == answer
    assert not await gone(name)


async def test_ten_cancels_are_ten_equal_answers_and_one_deletion(records, service, gone):
    name = f"train-{uuid.uuid4().hex[:8]}"
    identity, _ = await records.created(uuid.uuid4().hex, JOB | {"name": name})
    by_name = [await records.cancel(project="team-a", name=name) for _ in range(5)]
    by_id = [await records.cancel(submission=identity.key) for _ in range(5)]
    keys, answers = {each.key: each for each in (*by_name, *by_id)}, []
    async with asyncio.timeout(30):
        async for record in records._topic.consumer:
            if record.key and record.key.decode() in keys:
                answers.append((int(dict(record.headers)["status"]), json.loads(record.value)))
                if len(answers) == 10:
                    break
    assert answers == [(200, {"submission": identity.key, "project": "team-a", "name": name})] * 10
    assert await gone(name)
    deletions = [line for line in service.lines if line["action"] == "job-deleted" and line["name"] == name]
    assert len(deletions) == 1


async def test_what_is_cancelled_before_it_comes_is_never_made(records, gone):
    own_id = uuid.uuid4().hex
    identity = SubmissionId("/tests", own_id)
    cancel = await records.cancel(submission=identity.key)
    assert (await records.outcome(identity))[1]["reason"] == "Cancelled"  # the note that is left
    assert await records.outcome(cancel) == (200, {"submission": identity.key})
    for _ in range(2):
        await records.create(own_id)
    status, body = await records.outcome(identity)
    assert (status, body["reason"]) == (409, "Cancelled")
    assert await gone(generated_name(None, identity))
    assert await records.outcome(await records.cancel(submission=identity.key)) == (200, {"submission": identity.key})


async def test_a_name_that_no_job_has_is_told(records):
    status, body = await records.outcome(await records.cancel(project="team-a", name="nobody"))
    assert (status, body["reason"]) == (404, "UnknownJob")


async def test_a_job_of_somebody_else_is_not_seen(records, api, gone):
    name = f"theirs-{uuid.uuid4().hex[:8]}"
    pod = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
    await api.request("POST", JOBS, {"metadata": {"name": name}, "spec": {"suspend": True, "template": {"spec": pod}}})
    status, _ = await records.outcome(await records.cancel(project="team-a", name=name))
    assert status == 404
    assert not await gone(name)


async def test_a_cancel_that_says_nothing_is_refused(records):
    identity = await records.send(b'{"cancel": {"submision": "x"}}', uuid.uuid4().hex, ce_type=CANCEL_TYPE.encode())
    status, body = await records.outcome(identity)
    assert (status, body["details"]) == (
        400,
        [{"path": "cancel.submision", "message": "is not a parameter; did you mean submission?"}],
    )


async def test_the_producer_of_the_documentation(records, environment, gone):
    [program] = re.findall(r"^```python\n(.*?)^```", API.read_text(), re.MULTILINE | re.DOTALL)
    identity, name = await records.created(uuid.uuid4().hex)
    for written, variable in (
        ("localhost:9092", "KAFKA_BOOTSTRAP_SERVERS"),
        ("job-submissions", "TOPICS_SUBMISSIONS"),
    ):
        assert written in program
        program = program.replace(written, environment[variable])
    program += f'\nasyncio.run(cancel("{identity.key}"))\n'
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], timeout=60, check=True)
    async with asyncio.timeout(30):
        while not await gone(name):
            await asyncio.sleep(0.1)


@pytest.fixture
async def failing_project(api):
    """A project whose Jobs are looked at by a webhook at which nobody listens."""
    project = f"failing-{uuid.uuid4().hex[:6]}"
    await api.ensure_namespace(f"runai-{project}")
    status, body = await api.request("POST", WEBHOOKS, webhook(project, free_port()))
    assert status == 200, body
    await asyncio.sleep(1)  # the API server notices it by a watch
    try:
        yield project
    finally:
        await api.request("DELETE", f"{WEBHOOKS}/{project}")


async def test_a_submission_that_rests_between_tries_gives_way(records, service, api, gone, failing_project):
    own_id = uuid.uuid4().hex
    identity = await records.create(own_id, JOB | {"project": failing_project})
    await asyncio.to_thread(service.wait_for, "kubernetes-failing", namespace=f"runai-{failing_project}")
    cancel = await records.cancel(submission=identity.key)
    status, body = await records.outcome(identity)
    assert (status, body["reason"]) == (409, "Cancelled")
    assert await records.outcome(cancel) == (200, {"submission": identity.key})
    await api.request("DELETE", f"{WEBHOOKS}/{failing_project}")
    assert await gone(generated_name(None, identity), f"runai-{failing_project}")


async def test_a_record_without_an_id_is_cancelled_by_that_of_its_outcome(topic, records, gone):
    sent = await topic.send(json.dumps({"job": JOB}).encode())
    async with asyncio.timeout(30):
        async for record in topic.consumer:
            if dict(record.headers).get("submission-id") == f"{sent.offset}-{sent.timestamp}".encode():
                break
    headers = {"ce_type": CANCEL_TYPE.encode(), "ce_id": uuid.uuid4().hex.encode(), "ce_source": b"/tests"}
    await topic.send(Cancel(submission=record.key.decode()).body(), headers, partition=record.partition)
    answer = await records.outcome(SubmissionId("/tests", headers["ce_id"].decode()))
    assert answer[0] == 200
    assert await gone(json.loads(record.value)["name"])
