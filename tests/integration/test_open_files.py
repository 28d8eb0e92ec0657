"""A process that has no file descriptor left says so, and its probes are answered all the same."""

import asyncio
import re
import resource
from pathlib import Path

import aiohttp

from devstack.service import ServiceProcess


async def ask(url: str, path: str) -> tuple[int, str]:
    """Ask on a connection of its own, as the kubelet does."""
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        return response.status, await response.text()


def first_hole(pid: int) -> int:
    """The lowest number that no descriptor of a process has: with it as the limit there is none left."""
    numbers = {int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir()}
    return next(number for number in range(len(numbers) + 1) if number not in numbers)


async def test_running_out_of_file_descriptors_is_told_and_leaves_the_probes_alive(environment, api):
    apart = {name: f"{value}-files" for name, value in environment.items() if name.startswith(("TOPICS", "CONSUMER"))}
    service = ServiceProcess("all", environment | apart | {"WATCHER_GROUP": "watcher-files"}).until_ready()
    _, hard = before = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    try:
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (first_hole(service.pid), hard))
        told = await asyncio.to_thread(service.wait_for, "files-short")
        for _ in range(3):
            assert await ask(service.probes, "/healthz") == (200, "ok\n")
            status, ready = await ask(service.probes, "/readyz")
            assert (status, '"files":false' in ready) == (503, True)
            _, metrics = await ask(service.probes, "/metrics")
            left = re.search(r"^job_submission_open_files_left (\S+)$", metrics, re.MULTILINE)
            assert left is not None
            assert float(left[1]) < 16
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, before)
        await asyncio.to_thread(service.wait_for, "files-enough")
        await asyncio.to_thread(service.until_ready)
    finally:
        assert await asyncio.to_thread(service.stop) == 0
    assert told["level"] == "error"
