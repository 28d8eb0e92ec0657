"""Answers that hang on settings, limits or an outage: credentials, too many at once, few open files, Kafka gone."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from devstack.kafka import LocalKafka
from devstack.kafka_cluster import KafkaCluster
from devstack.process import answers
from devstack.service import ServiceProcess

JOB = {"project": "team-a", "image": "quickstart"}


async def post(url: str, job: Any = JOB, **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/job", data=json.dumps({"job": job}), headers=sent) as response,
    ):
        return response.status, dict(response.headers), await response.json()


@pytest.fixture
def guarded(environment: dict[str, str], tmp_path: Path) -> Any:
    """Both roles, with a list of tokens; other topics, as the group would share its records."""
    tokens = tmp_path / "tokens.json"
    digest = hashlib.sha256(b"johns").hexdigest()
    tokens.write_text(json.dumps({"tokens": [{"sha256": digest, "user": "john", "projects": ["team-a"]}]}))
    apart = {name: f"{value}-guarded" for name, value in environment.items() if name.startswith(("TOPICS", "CONSUMER"))}
    process = ServiceProcess("all", environment | apart | {"HTTP_TOKENS_FILE": str(tokens)}).until_ready()
    yield process
    assert process.stop() == 0


async def test_tokens(guarded, api):
    status, headers, _ = await post(guarded.url, RA_USER="john")
    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="job-submission"')
    assert (await post(guarded.url, Authorization="Bearer wrong"))[0] == 401
    assert (await post(guarded.url, Authorization="Bearer johns", RA_USER="mary"))[0] == 403
    status, _, body = await post(guarded.url, JOB | {"project": "team-b"}, Authorization="Bearer johns")
    assert (status, body["message"]) == (403, "user john is not allowed to submit to project team-b")
    status, _, body = await post(guarded.url, Authorization="Bearer johns")
    assert (status, list(body)) == (200, ["name"])
    job = await api.job(body["name"])
    assert job["metadata"]["annotations"]["job-submission.io/user"] == "john"


async def test_a_tokens_file_that_breaks_lets_nobody_in_after_a_while(environment, tmp_path):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": []}))
    settings = {"HTTP_TOKENS_FILE": str(tokens), "HTTP_TOKENS_GRACE_SECONDS": "2", "HTTP_DRAIN_SECONDS": "1"}
    ingress = ServiceProcess("ingress", environment | settings).until_ready()

    async def readiness(url: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
            return response.status, await response.json()

    try:
        assert "job_submission_tokens_unreadable 0.0" in ingress.metrics()
        tokens.write_text("{")
        await asyncio.to_thread(ingress.wait_for, "tokens-unreadable")
        assert "job_submission_tokens_unreadable 1.0" in ingress.metrics()
        assert (await readiness(ingress.probes))[0] == 200
        async with asyncio.timeout(10):
            while (await readiness(ingress.probes))[0] == 200:
                await asyncio.sleep(0.1)
        assert (await readiness(ingress.url))[1]["tokens"] is False
        status, _, body = await post(ingress.url, Authorization="Bearer johns")
        assert (status, body["reason"]) == (503, "CredentialsUnreadable")
    finally:
        assert await asyncio.to_thread(ingress.stop) == 0


async def test_a_pending_submission_is_its_users_alone(environment, tmp_path):
    tokens = tmp_path / "tokens.json"
    entries = [
        {"sha256": hashlib.sha256(user.encode()).hexdigest(), "user": user, "projects": ["team-a"]}
        for user in ("john", "mary")
    ]
    tokens.write_text(json.dumps({"tokens": entries}))
    apart = {name: f"{value}-alone" for name, value in environment.items() if name.startswith(("TOPICS", "CONSUMER"))}
    settings = apart | {"HTTP_TOKENS_FILE": str(tokens), "HTTP_DRAIN_SECONDS": "1"}
    ingress = ServiceProcess("ingress", environment | settings).until_ready()
    try:
        _, headers, _ = await post(ingress.url, Authorization="Bearer john", Prefer="respond-async")  # nobody consumes
        async with aiohttp.ClientSession() as session:

            async def status(user: str) -> int:
                sent = {"Authorization": f"Bearer {user}"}
                async with session.get(ingress.url + headers["Location"], headers=sent) as response:
                    return response.status

            assert [await status(user) for user in ("john", "mary")] == [202, 404]
    finally:
        assert await asyncio.to_thread(ingress.stop) == 0


async def test_too_many_in_progress(environment):
    apart = {name: f"{value}-busy" for name, value in environment.items() if name.startswith(("TOPICS", "CONSUMER"))}
    ingress = ServiceProcess("ingress", environment | apart | {"HTTP_MAX_IN_FLIGHT": "1", "HTTP_DRAIN_SECONDS": "1"})
    ingress.until_ready()
    try:
        waiting = asyncio.create_task(post(ingress.url, RA_USER="john", Prefer="wait=5"))  # nobody consumes
        await asyncio.sleep(0.5)
        status, headers, body = await post(ingress.url, RA_USER="john")
        assert (status, int(headers["Retry-After"]) > 0) == (429, True)
        assert set(body) == {"status", "code", "reason", "message"}
        assert (await waiting)[0] == 202
    finally:
        assert await asyncio.to_thread(ingress.stop) == 0


async def test_kafka_gone_and_back(kafka_build, tmp_path):
    with LocalKafka(tmp_path) as kafka:
        settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "KAFKA_REQUEST_TIMEOUT_SECONDS": "3"}
        ingress = ServiceProcess("ingress", settings | {"HTTP_DRAIN_SECONDS": "1"}).until_ready()
        try:
            await asyncio.to_thread(kafka.stop)
            status, headers, body = await post(ingress.url, RA_USER="john")
            assert (status, int(headers["Retry-After"]) > 0, "Kafka" in body["message"]) == (503, True, True)
            await asyncio.to_thread(kafka.start)
            async with asyncio.timeout(60):
                while (await post(ingress.url, RA_USER="john", Prefer="respond-async"))[0] != 202:
                    await asyncio.sleep(0.2)
        finally:
            assert await asyncio.to_thread(ingress.stop) == 0


async def test_too_few_replicas_in_sync_are_named_and_a_crowd_that_is_refused_for_it_is_a_few_lines(
    kafka_build, tmp_path
):
    with KafkaCluster(tmp_path) as kafka:
        settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "KAFKA_REQUEST_TIMEOUT_SECONDS": "3"}
        ingress = ServiceProcess("ingress", settings | {"HTTP_DRAIN_SECONDS": "1"}).until_ready()
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
        await admin.start()
        strict = {"min.insync.replicas": "3"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "job-submissions", strict)])
        await admin.close()

        def reasons() -> list[str]:
            return [line["reason"] for line in ingress.lines if line["action"] == "submission-not-accepted"]

        try:
            await asyncio.to_thread(kafka.brokers[2].kill)  # two of three controllers and replicas are left
            async with asyncio.timeout(25):
                while not any("NotEnoughReplicasError" in reason for reason in reasons()):
                    answered = await asyncio.gather(*(post(ingress.url, RA_USER="john") for _ in range(20)))
                    assert {status for status, _, _ in answered} == {503}
        finally:
            assert await asyncio.to_thread(ingress.stop) == 0
        assert len(reasons()) == len(set(reasons()))


async def test_idle_connections_shut_nobody_out_where_few_files_may_be_open(environment):
    few = ("sh", "-c", 'ulimit -n 400 && exec "$0" "$@"')  # leaves room for 94 connections
    ingress = ServiceProcess("ingress", environment | {"HTTP_DRAIN_SECONDS": "1"}, under=few).until_ready()
    host, port = urlsplit(ingress.url).hostname, urlsplit(ingress.url).port
    dropped = 'job_submission_http_connections_dropped_total{port="api",reason="full"} '
    idle = []
    try:
        for _ in range(13):  # no more at once than wait in the kernel's queue: it forgets those beyond, unknown to them
            idle += await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(40)))
            assert answers(f"{ingress.probes}/healthz")  # by the same event loop, which has accepted them by then
        assert (await post(ingress.url, RA_USER="john", Prefer="respond-async"))[0] == 202
        metrics = ingress.metrics()
        assert float(metrics.partition(dropped)[2].split()[0]) >= 400
        ingress.wait_for("connections-limited", port="api", limit=94)
        ingress.wait_for("connections-dropped", port="api", reason="full")
    finally:
        for _, writer in idle:
            writer.close()
        assert await asyncio.to_thread(ingress.stop) == 0


async def test_a_refused_request_leaves_a_line(environment):
    ingress = ServiceProcess("ingress", environment | {"HTTP_DRAIN_SECONDS": "1"}).until_ready()
    try:
        await post(ingress.url)
        await post(ingress.url, RA_USER="john", Prefer="respond-async", job={"project": "team-a"})
        await post(ingress.url, RA_USER="john", X_Forwarded_For="203.0.113.7", Content_Type="text/plain")
        asked = {"method": "POST", "path": "/api/job", "peer": "127.0.0.1"}
        ingress.wait_for("request-refused", status=401, reason="Unauthorized", **asked)
        ingress.wait_for("request-refused", status=400, reason="InvalidParameter", user="john", **asked)
        ingress.wait_for(
            "request-refused",
            status=415,
            reason="UnsupportedMediaType",
            user="john",
            forwarded_for="203.0.113.7",
            **asked,
        )
    finally:
        assert await asyncio.to_thread(ingress.stop) == 0
