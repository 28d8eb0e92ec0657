"""The end of a process: what is in progress is finished or handed back, and the exit code is 0."""

import asyncio
import json
import signal

import aiohttp
import pytest

from devstack.service import ServiceProcess

JOB = {"job": {"project": "team-a", "image": "quickstart"}}


async def post(url: str, **headers: str) -> tuple[int, dict[str, str], object]:
    sent = {"RA-USER": "john", "Content-Type": "application/json"} | headers
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/job", data=json.dumps(JOB), headers=sent) as response,
    ):
        return response.status, dict(response.headers), await response.json()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_service_ends_at_once(environment, api, number):
    service = ServiceProcess("all", environment).until_ready()
    assert await asyncio.to_thread(service.stop, number) == 0
    assert service.lines[-1]["action"] == "stopped"
    assert [line for line in service.lines if line["action"] == "not-json"] == []


async def test_a_waiting_post_is_answered_202_and_its_job_comes_later(environment, api):
    apart = {name: f"{value}-apart" for name, value in environment.items() if name.startswith(("TOPICS", "CONSUMER"))}
    ingress = ServiceProcess("ingress", environment | apart | {"HTTP_DRAIN_SECONDS": "1"}).until_ready()
    waiting = asyncio.create_task(post(ingress.url))
    await asyncio.sleep(0.5)
    assert not waiting.done()  # nobody consumes
    assert await asyncio.to_thread(ingress.stop) == 0
    status, headers, body = await waiting
    assert status == 202

    both = ServiceProcess("all", environment | apart).until_ready()
    try:
        async with aiohttp.ClientSession(headers={"RA-USER": "john"}) as session, asyncio.timeout(30):
            while True:
                async with session.get(both.url + headers["Location"]) as response:
                    if response.status == 200:
                        assert await response.json() == {"name": body["name"]}
                        break
                await asyncio.sleep(0.1)
    finally:
        assert await asyncio.to_thread(both.stop) == 0


async def test_a_service_that_never_reached_kafka_ends_too(environment):
    service = ServiceProcess("all", environment | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    await asyncio.to_thread(service.wait_for, "kafka-unreachable")
    assert await asyncio.to_thread(service.stop) == 0


async def test_a_port_that_is_taken_is_said_in_one_line(environment):
    first = ServiceProcess("all", environment | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    port = first.wait_for("probes-listening")["port"]
    second = ServiceProcess("all", environment | {"METRICS_PORT": str(port)})
    assert await asyncio.to_thread(second.wait, 30) == 1
    assert second.wait_for("failed")["reason"].find(str(port)) > 0
    assert second.stop() == 1
    assert await asyncio.to_thread(first.stop) == 0
