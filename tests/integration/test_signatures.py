"""Signatures on real servers: what is signed is carried out by both ways in, nothing else is, and keys can change."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from devstack.service import ServiceProcess
from job_submission import KafkaSubmitter, Refused
from service.submission.cancels import Cancel
from service.submission.identity import SubmissionId, generated_name
from service.submission.records import CANCEL_TYPE, Record
from tests.integration.client.conftest import JOBSUB, run
from tests.signing import ED25519, SECRET, SERVICE, STRANGER, TRAINER, entry, jwk, keys_file, signed, signing_key_file

NARROW = entry(ED25519, ["*"], ["team-b"])


@dataclass
class Installation:
    """A service that requires signatures, and a producer who knows some of its keys."""

    process: ServiceProcess
    keys: Path
    names: dict[str, str]
    servers: str
    producer: AIOKafkaProducer
    outcomes: AIOKafkaConsumer
    http: aiohttp.ClientSession
    seen: list[Any] = field(default_factory=list)

    def record(
        self, own_id: str, value: bytes | dict[str, Any] | Cancel, user: bytes = b"john", **more: bytes
    ) -> Record:
        body = value.body() if isinstance(value, Cancel) else value
        octets = body if isinstance(body, bytes) else json.dumps({"job": body}).encode()
        kind = CANCEL_TYPE.encode() if isinstance(value, Cancel) else b"train"
        names = {"ce_id": own_id.encode(), "ce_source": b"/train", "ce_type": kind, "ra-user": user, **more}
        return Record(self.names["TOPICS_SUBMISSIONS"], 0, 0, 0, None, octets, tuple(names.items()))

    async def answer(self, given: Record, **where: Any) -> tuple[int, str]:
        """Produce a record with a correlation id; return its outcome's status with the reason or name."""
        correlation_id = uuid.uuid4().hex.encode()
        headers = [*given.headers, ("correlation-id", correlation_id)]
        await self.producer.send_and_wait(given.topic, given.value, headers=headers, **where)
        async with asyncio.timeout(30):
            async for outcome in self.outcomes:
                self.seen.append(outcome)
                headers, body = dict(outcome.headers), json.loads(outcome.value)
                if headers.get("correlation-id") == correlation_id:
                    return int(headers["status"]), body.get("reason") or body.get("name") or ""
        raise AssertionError

    async def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {"RA-USER": "john", "Content-Type": "application/json", **headers}
        async with self.http.request(method, self.process.url + path, json=body, headers=sent) as response:
            return response.status, await response.json()


@pytest.fixture
async def installation(environment: dict[str, str], api: Any, tmp_path: Path) -> AsyncIterator[Installation]:
    run = uuid.uuid4().hex[:8]
    names = {
        name: f"{name.lower()}-{run}" for name in environment if name.startswith(("TOPICS_", "CONSUMER_", "WATCHER_G"))
    }
    keys = keys_file(tmp_path / "keys.json", TRAINER, NARROW, entry(SERVICE))
    settings = environment | names
    settings |= {
        "SUBMISSION_SIGNATURES": "required",
        "SUBMISSION_KEYS_FILE": str(keys),
        "SUBMISSION_SIGNING_KEY_FILE": str(signing_key_file(tmp_path / "own.json")),
        "TOPICS_PARTITIONS": "2",
        "CONSUMER_DRAIN_SECONDS": "1",
        "HTTP_DRAIN_SECONDS": "1",
    }
    process = await asyncio.to_thread(ServiceProcess("all", settings).until_ready)
    servers = environment["KAFKA_BOOTSTRAP_SERVERS"]
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    outcomes = AIOKafkaConsumer(names["TOPICS_OUTCOMES"], bootstrap_servers=servers, auto_offset_reset="earliest")
    async with producer, outcomes, aiohttp.ClientSession() as http:
        yield Installation(process, keys, names, servers, producer, outcomes, http)
    assert await asyncio.to_thread(process.stop) == 0


def job(project: str = "team-a", **more: Any) -> dict[str, Any]:
    return {"project": project, "image": "quickstart", **more}


async def test_what_is_signed_is_carried_out_by_both_ways_in_and_nothing_else(installation, api):
    status, body = await installation.request("POST", "/api/job", {"job": job(name=f"posted-{uuid.uuid4().hex[:8]}")})
    assert status == 200, body
    posted = body["name"]
    own_id = uuid.uuid4().hex
    name = generated_name(None, SubmissionId("/train", own_id))
    good = installation.record(own_id, job())
    for refused, expected in (
        (good, (401, "Unsigned")),
        (signed(good, STRANGER), (401, "BadSignature")),
        (signed(good)._replace(value=good.value + b" "), (401, "BadSignature")),
        (signed(good, ED25519), (403, "SignerForbidden")),
    ):
        assert await installation.answer(refused) == expected
    assert (await api.request("GET", f"/apis/batch/v1/namespaces/runai-team-a/jobs/{name}"))[0] == 404
    for partition in (0, 1):  # a copy of the record is the same submission
        assert await installation.answer(signed(good), partition=partition) == (200, name)
    await api.job(name)

    # a cancel without is none, also while what it names is in progress; a key for another project may not
    cancel = installation.record(uuid.uuid4().hex, Cancel(project="team-a", name=name))
    assert await installation.answer(cancel) == (401, "Unsigned")
    by_id = Cancel(submission=SubmissionId("/train", own_id).key)
    assert await installation.answer(signed(installation.record(uuid.uuid4().hex, by_id), ED25519)) == (
        403,
        "SignerForbidden",
    )
    await api.job(name)
    assert await installation.answer(signed(cancel)) == (200, name)
    assert (await api.request("GET", f"/apis/batch/v1/namespaces/runai-team-a/jobs/{name}"))[0] == 404
    assert (await installation.request("DELETE", f"/api/v1/jobs/team-a/{posted}"))[0] == 200
    assert (await api.request("GET", f"/apis/batch/v1/namespaces/runai-team-a/jobs/{posted}"))[0] == 404

    metrics = await asyncio.to_thread(installation.process.metrics)
    assert 'job_submission_signatures_total{verdict="Unsigned"} 2.0' in metrics
    told = [line for line in installation.process.lines if line["action"] == "record-not-proven"]
    assert {line["reason"] for line in told} == {"Unsigned", "BadSignature", "SignerForbidden"}
    places = {
        "log": json.dumps(installation.process.lines),
        "metrics": metrics,
        "outcomes": " ".join(f"{each.key} {each.value} {each.headers}" for each in installation.seen),
    }
    secrets = [SECRET.raw_value.decode(), jwk(SECRET, private=True)["k"], jwk(SERVICE, private=True)["d"]]
    assert [place for place, text in places.items() for secret in secrets if secret in text] == []


async def test_the_client_library_and_jobsub_sign_what_they_submit(installation, api, tmp_path):
    names = installation.names
    topics = {"submissions": names["TOPICS_SUBMISSIONS"], "outcomes": names["TOPICS_OUTCOMES"]}
    key, servers = jwk(SECRET, private=True), installation.servers
    async with KafkaSubmitter(servers, source="/nightly", user="john", signing_key=key, **topics) as submitter:
        made = await submitter.submit(**job())
        await api.job(made.name)
        await submitter.cancel(submission=made.submission)
    async with KafkaSubmitter(servers, source="/nightly", user="john", **topics) as unsigned:
        with pytest.raises(Refused, match="has no signature"):
            await unsigned.submit(**job())
    key_file = signing_key_file(tmp_path / "trainer.json", SECRET)
    line = [str(JOBSUB), "submit", "-p", "team-a", "-i", "quickstart"]
    line += ["--submissions-topic", topics["submissions"], "--outcomes-topic", topics["outcomes"]]
    environment = {"JOBSUB_CONFIG": str(tmp_path / "none"), "JOBSUB_USER": "john", "JOBSUB_KAFKA": servers}
    done = await run(*line, environment=environment | {"JOBSUB_SIGNING_KEY": str(key_file)})
    assert done.code == 0, done.words
    await api.job(done.out.strip())
    refused = await run(*line, environment=environment)
    assert (refused.code, refused.words.partition(":")[0]) == (3, "Unsigned")


async def test_a_key_is_removed_and_comes_back_without_a_restart(installation):
    async def until(action: str) -> None:
        await asyncio.to_thread(installation.process.wait_for, action)

    first, second, third = (signed(installation.record(uuid.uuid4().hex, job())) for _ in range(3))
    assert (await installation.answer(first))[0] == 200
    keys_file(installation.keys, entry(SERVICE))
    await until("signing-keys-read")
    assert await installation.answer(second) == (401, "BadSignature")
    keys_file(installation.keys, TRAINER, entry(SERVICE))
    async with asyncio.timeout(10):
        while sum(line["action"] == "signing-keys-read" for line in installation.process.lines) < 2:
            await asyncio.sleep(0.05)
    assert (await installation.answer(third))[0] == 200
    assert (await installation.answer(second))[0] == 200  # what was refused had no say about its id
