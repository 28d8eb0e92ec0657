"""The documents for programs against a live service: requests made from OpenAPI, records read by AsyncAPI."""

import asyncio
import hashlib
import json
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from devstack.service import ServiceProcess
from service.documents.asyncapi import asyncapi
from service.submission.records import CANCEL_TYPE

TOKEN = {"Authorization": "Bearer of-the-documents"}
TOPICS = {
    "submissions": "TOPICS_SUBMISSIONS",
    "outcomes": "TOPICS_OUTCOMES",
    "deadLetters": "TOPICS_DEAD_LETTERS",
    "jobEvents": "TOPICS_JOB_EVENTS",
}
BINARY = re.compile(r"kafka_dlt-original-(partition|offset|timestamp)|kafka_deliveryAttempt")


@pytest.fixture
async def own_environment(environment: dict[str, str]) -> dict[str, str]:
    """Settings of a service whose topics hold what this test brings about, and nothing else."""
    named = (*TOPICS.values(), "CONSUMER_GROUP", "WATCHER_GROUP")
    return environment | {name: f"documents-{environment[name]}" for name in named}


@pytest.fixture
async def known(own_environment: dict[str, str], api: Any, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    """A service that knows its users by their tokens."""
    digest = hashlib.sha256(b"of-the-documents").hexdigest()
    tokens = {"tokens": [{"sha256": digest, "user": "john", "projects": ["*"]}]}
    (tmp_path / "tokens").write_text(json.dumps(tokens))
    process = ServiceProcess("all", own_environment | {"HTTP_TOKENS_FILE": str(tmp_path / "tokens")})
    try:
        yield process.until_ready()
    finally:
        process.stop()


async def schemathesis(url: str, folder: Path, *options: str) -> str:
    """Run it and return what it printed; a failure of it is one of the test."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(Path(__file__).parent / "schemathesis.toml")),
        *("run", f"{url}/openapi.json", "--header", f"Authorization: {TOKEN['Authorization']}"),
        *("--no-color", "--continue-on-failure", *options),
    ]
    done = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def errors(record: ConsumerRecord, channel: str) -> list[str]:
    """What a record says that the document does not."""
    document = asyncapi()
    headers = {
        name: value.decode("latin-1" if BINARY.fullmatch(name) else "utf-8", "replace")
        for name, value in record.headers
    }
    names = list(document["channels"][channel]["messages"])
    name = "cancel" if channel == "submissions" and headers.get("ce_type") == CANCEL_TYPE else names[0]
    message = document["components"]["messages"][name]
    value = record.value if "$ref" not in message["payload"] else json.loads(record.value)
    key = None if record.key is None else record.key.decode()
    parts = ((message["headers"], headers), (message["payload"], value), (message["bindings"]["kafka"]["key"], key))
    return [
        f"{name} {record.partition}-{record.offset}: {error.json_path} {error.message}"
        for schema, said in parts
        for error in jsonschema.Draft202012Validator(
            {"allOf": [schema], "components": document["components"]},
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        ).iter_errors(said)
    ]


async def records(servers: str, topic: str) -> list[ConsumerRecord]:
    """Everything that stands on a topic, but for deletions."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends, found = await consumer.end_offsets(consumer.assignment()), []
        async with asyncio.timeout(30):
            for partition, end in ends.items():
                while await consumer.position(partition) < end:
                    for batch in (await consumer.getmany(partition, timeout_ms=200)).values():
                        found += batch
        return [record for record in found if record.value is not None]
    finally:
        await consumer.stop()


async def jobs_until(http: aiohttp.ClientSession, url: str, name: str, phase: str) -> None:
    async with asyncio.timeout(60):
        while True:
            async with http.get(f"{url}/api/v1/jobs?name={name}&deleted=any", headers=TOKEN) as response:
                if phase in [job["phase"] for job in (await response.json())["data"]]:
                    return
            await asyncio.sleep(0.1)


@pytest.mark.timeout(1800)  # of as many requests as one likes
async def test_requests_made_from_openapi_get_what_it_says_and_records_are_as_asyncapi_says(
    known, own_environment, http, tmp_path, request
):
    cases = int(request.config.getoption("--openapi-examples"))
    few = ("--phases", "examples,fuzzing") if cases < 10 else ()
    printed = await schemathesis(known.url, tmp_path, "--max-examples", str(cases), "--seed", "1", *few)
    made = re.search(r"(\d+) generated, \1 passed", printed)
    assert made, printed
    assert int(made[1]) >= 25 * cases
    print(f"schemathesis: {made[0]}")

    name = f"told-{uuid.uuid4().hex[:8]}"
    body = {"job": {"project": "team-a", "image": "busybox", "name": name}}
    async with http.post(f"{known.url}/api/job", json=body, headers=TOKEN) as response:
        assert response.status == 200
    async with http.post(f"{known.url}/api/job?dryRun=true", json=body, headers=TOKEN) as response:
        assert response.status == 409
    await jobs_until(http, known.url, name, "Succeeded")
    async with http.delete(f"{known.url}/api/v1/jobs/team-a/{name}", headers=TOKEN) as response:
        assert response.status == 200
    servers = own_environment["KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        topic = own_environment[TOPICS["submissions"]]
        unreadable = await producer.send_and_wait(topic, json.dumps(body).encode(), headers=[("ce_id", b"\xff")])
    async with asyncio.timeout(30):
        while not (letters := await records(servers, own_environment[TOPICS["deadLetters"]])):
            await asyncio.sleep(0.2)
    told = {channel: await records(servers, own_environment[variable]) for channel, variable in TOPICS.items()}
    told["submissions"] = [
        record
        for record in told["submissions"]
        if (record.partition, record.offset) != (unreadable.partition, unreadable.offset)
    ]
    assert [error for channel, found in told.items() for record in found for error in errors(record, channel)] == []
    assert len(letters) == 1
    assert {dict(record.headers)["ce_type"].decode().rpartition(".")[2] for record in told["jobEvents"]} >= {
        "created",
        "succeeded",
    }
    assert {"200", "400", "404", "409"} <= {dict(record.headers)["status"].decode() for record in told["outcomes"]}
    assert CANCEL_TYPE.encode() in [dict(record.headers)["ce_type"] for record in told["submissions"]]
