"""Why a submission is still on the topic: what its consumer leaves with its commits, as an ingress reads it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devstack.api import kubeconfig
from devstack.ports import free_port
from devstack.service import ServiceProcess

HEADERS = {"RA-USER": "john", "Prefer": "respond-async"}
BODY = {"job": {"project": "team-a", "image": "busybox"}}


@pytest.fixture
async def start(environment: dict[str, str], api: Any) -> AsyncIterator[Callable[..., Any]]:
    name, running = uuid.uuid4().hex[:8], []
    own = {"TOPICS_SUBMISSIONS": f"s-{name}", "TOPICS_OUTCOMES": f"o-{name}", "CONSUMER_GROUP": f"g-{name}"}

    async def begin(role: str, **settings: str) -> ServiceProcess:
        process = ServiceProcess(role, environment | own | settings)
        running.append(process)
        return await asyncio.to_thread(process.until_ready)

    yield begin
    for process in reversed(running):
        await asyncio.to_thread(process.stop)


async def told(http: aiohttp.ClientSession, url: str, reason: str) -> dict[str, Any]:
    """Submit a job, and wait until it is told to wait for `reason`."""
    async with http.post(f"{url}/api/job", json=BODY, headers=HEADERS) as response:
        location = response.headers["Location"]
    async with asyncio.timeout(20):
        while True:
            async with http.get(url + location, headers=HEADERS) as response:
                body = await response.json()
            if body.get("waiting") and body["waiting"]["reason"] == reason:
                return dict(body["waiting"])
            await asyncio.sleep(0.1)


async def test_a_submission_says_that_its_consumer_is_paused(start, http: aiohttp.ClientSession, tmp_path: Path):
    (tmp_path / "paused").touch()
    ingress = await start("ingress")
    await start("consumer", KUBE_PAUSE_FILE=str(tmp_path / "paused"))
    waiting = await told(http, ingress.url, "PartitionPaused")
    assert waiting["sentence"].startswith("the operator has paused the creation of Jobs; it is the next, ")
    assert (waiting["stage"], waiting["class"]) == ("log", "service")


async def test_a_submission_says_that_the_cluster_cannot_be_reached(start, http: aiohttp.ClientSession, tmp_path: Path):
    nobody = kubeconfig(f"http://127.0.0.1:{free_port()}", {"token": "t"})
    (tmp_path / "kubeconfig").write_text(nobody)
    ingress = await start("ingress")
    await start("consumer", KUBE_CONFIG_FILE=str(tmp_path / "kubeconfig"))
    waiting = await told(http, ingress.url, "ServiceDegraded")
    assert waiting["sentence"].startswith("the cluster cannot be reached; it is the next, ")
