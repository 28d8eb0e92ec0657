"""The watcher on watches and a topic in memory: what it makes of changes whose watches are not in step."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service import watcher as module
from service.kube.watch import Change
from service.settings import WatcherSettings
from service.submission.job_events import Exit, is_terminal
from service.telemetry.metrics import Metrics
from service.watcher import WATCHED, Watcher
from tests.unit.event_log import FAILED, JOB, Log


class Changes:
    """One watch, which says what the test puts into it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Change] = asyncio.Queue()
        self.up = True

    async def changes(self) -> AsyncIterator[Change]:
        yield Change("listing", {})
        yield Change("synced", {})
        while True:
            yield await self.queue.get()

    def say(self, item: dict[str, Any]) -> None:
        self.queue.put_nowait(Change("applied", item))


@pytest.fixture
async def watched() -> AsyncIterator[tuple[dict[str, Changes], Log]]:
    """The watches by resource, and the topic that is written to."""
    watches, log = {resource: Changes() for resource in WATCHED}, Log()
    by_namespace: Any = {resource: {"": watch} for resource, watch in watches.items()}
    parts: Any = (log, log, WatcherSettings(min_interval_seconds=0), "job-submission", None, Metrics())
    running = asyncio.create_task(Watcher(by_namespace, *parts).run())
    yield watches, log
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def until_ended(log: Log) -> Exit | None:
    async with asyncio.timeout(10):
        while True:
            for event in log.events:
                if is_terminal(event):
                    return event.state.exit
            await asyncio.sleep(0.01)


def job_that_failed() -> dict[str, Any]:
    return copy.deepcopy(JOB) | {"status": {"failed": 1, "conditions": [FAILED]}}


def pod(**status: Any) -> dict[str, Any]:
    metadata = JOB["metadata"] | {"name": "train-1", "uid": "p1"}
    metadata["ownerReferences"] = [{"kind": "Job", "uid": "u1", "controller": True}]
    return {"metadata": metadata, "spec": {"containers": [{"image": "busybox"}]}, "status": status}


RUNS = {"state": {"running": {"startedAt": "2026-01-01T00:00:30Z"}}}
FAILS = {"exitCode": 3, "reason": "Error", "message": "no such file", "finishedAt": "2026-01-01T00:00:59Z"}


async def test_an_end_is_told_with_its_exit_code_although_the_job_was_seen_to_fail_before_its_pod(watched, monkeypatch):
    monkeypatch.setattr(module, "EXIT_SECONDS", 60.0)
    watches, log = watched
    watches["pods"].say(pod(phase="Running", containerStatuses=[RUNS]))
    watches["jobs"].say(job_that_failed())
    await asyncio.sleep(0.05)  # so that it would be told as it is
    watches["pods"].say(pod(phase="Failed", containerStatuses=[{"state": {"terminated": FAILS}}]))
    assert await until_ended(log) == Exit(code=3, reason="Error", message="no such file")


async def test_an_end_whose_pod_says_nothing_is_told_after_a_moment(watched, monkeypatch):
    monkeypatch.setattr(module, "EXIT_SECONDS", 0.02)
    watches, log = watched
    watches["jobs"].say(job_that_failed())
    assert await until_ended(log) == Exit(reason="BackoffLimitExceeded")


async def test_an_end_before_any_pod_failed_is_told_at_once(watched, monkeypatch):
    monkeypatch.setattr(module, "EXIT_SECONDS", 60.0)
    watches, log = watched
    watches["jobs"].say(copy.deepcopy(JOB) | {"status": {"conditions": [FAILED]}})
    assert await until_ended(log) == Exit(reason="BackoffLimitExceeded")


async def test_a_partition_whose_reading_fails_for_a_defect_is_told_and_read_again(monkeypatch):
    class Odd(Log):
        failures = 1

        async def scan(self, partition: int, written_end: int | None = None) -> Any:
            if self.failures:
                self.failures -= 1
                raise ValueError("odd")
            async for records in super().scan(partition, written_end):
                yield records

    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    log = Odd()
    by_namespace: Any = {resource: {"": Changes()} for resource in WATCHED}
    parts: Any = (log, log, WatcherSettings(min_interval_seconds=0), "job-submission", None, Metrics())
    watcher = Watcher(by_namespace, *parts)
    running = asyncio.create_task(watcher.run())
    try:
        async with asyncio.timeout(5):
            while not watcher.ready:
                await asyncio.sleep(0.001)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert log.failures == 0
