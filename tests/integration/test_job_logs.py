"""Logs asked of an ingress and read by a watcher that is another process."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devstack.ports import free_port
from devstack.service import ServiceProcess

SECRET = "a secret of ingress and watcher"


@pytest.fixture
async def start(environment: dict[str, str], tmp_path: Path, api: Any) -> AsyncIterator[Callable[..., Any]]:
    name, running = uuid.uuid4().hex[:8], []
    (tmp_path / "token").write_text(SECRET)
    port = free_port()
    settings = environment | {
        "WATCHER_GROUP": f"watcher-{name}",
        "JOB_LOGS_TOKEN_FILE": str(tmp_path / "token"),
        "JOB_LOGS_URL": f"http://127.0.0.1:{port}",
        "JOB_LOGS_HOST": "127.0.0.1",
        "JOB_LOGS_PORT": str(port),
    }

    async def begin(role: str) -> ServiceProcess:
        process = ServiceProcess(role, settings)
        running.append(process)
        return await asyncio.to_thread(process.until_ready)

    yield begin
    for process in reversed(running):
        assert await asyncio.to_thread(process.stop) == 0


async def test_an_ingress_passes_on_what_the_watcher_says_of_a_log(start, http: aiohttp.ClientSession):
    ingress, _, watcher = await start("ingress"), await start("consumer"), await start("watcher")
    headers = {"RA-USER": "john"}
    body = {"job": {"project": "team-a", "image": "busybox", "nodeType": "nowhere"}}
    async with http.post(f"{ingress.url}/api/job", json=body, headers=headers) as response:
        name = (await response.json())["name"]

    async def asked() -> tuple[int, str, str]:
        async with http.get(f"{ingress.url}/api/v1/jobs/team-a/{name}/logs", headers=headers) as response:
            refusal = await response.json()
            return response.status, refusal["reason"], refusal["message"]

    async with asyncio.timeout(20):
        while "run.ai/type=nowhere" not in (told := await asked())[2]:
            await asyncio.sleep(0.1)
    assert told[:2] == (409, "NotStarted")
    await asyncio.to_thread(watcher.stop)
    assert (await asked())[:2] == (503, "LogsUnavailable")
