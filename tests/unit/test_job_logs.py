"""Logs over HTTP, from the pods' API server through the watcher's port and the ingress to a client."""

import asyncio
import copy
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from service.api.job_logs import JobLogs as Streams
from service.api.refusals import Refusals
from service.api.remote_logs import RemoteLogs
from service.api.server import Port, listening
from service.cluster import job_logs
from service.cluster.job_logs import JobLogs
from service.cluster.job_mirror import JobMirror
from service.kube import pod_logs as kube_pod_logs
from service.log_server import log_app
from service.telemetry.metrics import Metrics
from service.telemetry.refusals import RefusalLog
from tests.unit import log_servers
from tests.unit.kube_servers import Handler
from tests.unit.log_servers import Container, LogServer
from tests.unit.running_ingress import running

PARAMETERS = "follow, previous, timestamps, tailLines, sinceSeconds, pod, container"
SECRET = "a secret of both sides"
LABELS = {"app.kubernetes.io/managed-by": "job-submission", "project": "team-a"}
JOB: dict[str, Any] = {
    "metadata": {
        "uid": "u1",
        "name": "train",
        "namespace": "runai-team-a",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": LABELS,
        "annotations": {"job-submission.io/submission-id": "s" * 52},
    },
    "spec": {"template": {"spec": {"containers": [{"image": "busybox"}]}}},
    "status": {},
}
COMPLETE = {"type": "Complete", "status": "True", "reason": "", "message": ""}


@dataclass
class Stage:
    """What is asked, and what stands behind it."""

    server: LogServer
    mirror: JobMirror
    url: str
    watcher: str
    streams: Streams
    token: Path
    known: bool = True

    def job(self, *, ended: bool = False, **spec: Any) -> None:
        """Put a Job into the cluster, or what has become of it."""
        job = copy.deepcopy(JOB)
        job["spec"] |= spec
        job["status"] = {"conditions": [COMPLETE]} if ended else {}
        self.mirror.applied("jobs", job)

    def pod(self, name: str, phase: str, *texts: str, second: int = 1) -> Container:
        """Put a pod of it there, `Pending`, `Running`, `Succeeded` or `Failed`, and what it has printed."""
        at = {"startedAt": f"2026-01-01T00:00:{second:02d}Z"}
        state = {
            "Pending": {"waiting": {"reason": "ContainerCreating"}},
            "Running": {"running": at},
            "Succeeded": {"terminated": {**at, "exitCode": 0}},
            "Failed": {"terminated": {**at, "exitCode": 3}},
        }[phase]
        owner = [{"kind": "Job", "uid": "u1"}]
        metadata = {"uid": name, "name": name, "namespace": "runai-team-a", "labels": LABELS, "ownerReferences": owner}
        conditions = [{"type": "PodScheduled", "status": "True"}]
        status = {"phase": phase, "conditions": conditions, "containerStatuses": [{"state": state}]}
        self.mirror.applied("pods", {"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": status})
        container = self.server.pods.setdefault(name, Container())
        container.print(*texts)
        container.runs = phase in ("Pending", "Running")
        return container


@asynccontextmanager
async def stage(folder: Path, handler: Handler | None = None) -> AsyncIterator[Stage]:
    token = folder / "token"
    token.write_text(SECRET + "\n")
    async with AsyncExitStack() as stack:
        server, logs = await stack.enter_async_context(log_servers.pod_logs(folder, handler))
        mirror, metrics = JobMirror("default", "job-submission", lambda uid: None), Metrics()
        source = JobLogs(mirror, logs, lambda: made.known, lambda: int(time.time() * 1000))
        refusals = Refusals(RefusalLog(0), metrics, uses_tokens=True)
        port, streams = Port("logs", "JOB_LOGS_", "127.0.0.1", 0, 64, 16384), Streams(source, 2)
        app = log_app(streams, token, refusals)
        number = await stack.enter_async_context(listening(port.bind(), port, app, refusals.unrouted, metrics, 0.1))
        watcher = f"http://127.0.0.1:{number}"
        remote = RemoteLogs(watcher, token)
        stack.push_async_callback(remote.close)
        ingress = await stack.enter_async_context(running(logs=remote))
        made = Stage(server, mirror, f"http://127.0.0.1:{ingress.port}", watcher, streams, token)
        yield made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(job_logs, "ERROR_SECONDS", 0.2)
    monkeypatch.setattr(kube_pod_logs, "RETRY_SECONDS", (0.001, 0.001))
    monkeypatch.setattr("service.api.job_logs.LOOK_SECONDS", 0.05)


async def get(
    made: Stage, query: str = "", name: str = "train", *, url: str | None = None, **headers: str
) -> tuple[int, Any]:
    """Return the status of an answer, and its text or JSON."""
    path = f"{url or made.url}/api/v1/jobs/team-a/{name}/logs{query}"
    async with (
        aiohttp.ClientSession(headers={"RA-USER": "john", **headers}) as session,
        asyncio.timeout(10),
        session.get(path) as response,
    ):
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


async def test_the_log_of_a_job_is_what_its_pod_has_printed(tmp_path: Path):
    async with stage(tmp_path) as made:
        made.job(ended=True)
        made.pod("train-x", "Succeeded", "one", "<b>two</b>")
        assert await get(made) == (200, "one\n<b>two</b>\n")
        assert await get(made, "?tailLines=1&timestamps=true") == (200, f"{log_servers.stamp(2)} <b>two</b>\n")
        async with aiohttp.ClientSession(headers={"RA-USER": "john"}) as session:
            async with session.get(f"{made.url}/api/v1/jobs/team-a/train/logs") as response:
                assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
                assert response.headers["X-Content-Type-Options"] == "nosniff"
            async with session.head(f"{made.url}/api/v1/jobs/team-a/train/logs") as response:
                assert (response.status, await response.read()) == (200, b"")


async def test_of_several_pods_each_line_has_the_name_of_its_own_and_the_oldest_comes_first(tmp_path: Path):
    async with stage(tmp_path) as made:
        made.job(ended=True, backoffLimit=1)
        made.pod("train-b", "Succeeded", "again", second=9)
        made.pod("train-a", "Failed", "tried", "failed", second=3)
        assert await get(made) == (200, "[train-a] tried\n[train-a] failed\n[train-b] again\n")
        assert await get(made, "?pod=train-b") == (200, "again\n")


async def test_a_followed_log_waits_for_the_first_pod_and_goes_on_with_that_of_a_retry(tmp_path: Path):
    async with stage(tmp_path) as made:
        made.job(backoffLimit=1)
        made.pod("train-a", "Pending")
        following = asyncio.create_task(get(made, "?follow=true"))
        await asyncio.sleep(0.3)
        assert not made.server.asked
        first = made.pod("train-a", "Running", "one")
        while not made.server.asked:
            await asyncio.sleep(0.01)
        first.print("two")
        made.pod("train-a", "Failed")
        made.pod("train-b", "Running", "three")
        made.pod("train-b", "Succeeded", "four")
        made.job(ended=True, backoffLimit=1)
        status, text = await following
        of_b = [line for line in text.splitlines() if line.startswith("[train-b] ")]
        of_a = [line for line in text.splitlines() if line not in of_b]
        assert (status, of_a, of_b) == (200, ["one", "two"], ["[train-b] three", "[train-b] four"])  # both at once


async def test_a_followed_log_of_a_job_that_is_deleted_ends(tmp_path: Path):
    async with stage(tmp_path) as made:
        made.job()
        container = made.pod("train-a", "Running", "one")
        following = asyncio.create_task(get(made, "?follow"))
        while not made.server.asked:
            await asyncio.sleep(0.01)
        made.mirror.deleted("jobs", "u1")
        made.mirror.deleted("pods", "train-a")
        container.runs = False
        del made.server.pods["train-a"]
        assert await following == (200, "one\n")


@pytest.mark.parametrize(
    ("query", "status", "reason", "message"),
    [
        ("?tailLines=-1", 400, "InvalidParameter", "tailLines: must be a whole number from 0 to 2147483647"),
        ("?follow=maybe", 400, "InvalidParameter", "follow: must be true or false"),
        ("?lines=3", 400, "InvalidParameter", "lines: is not a parameter; did you mean tailLines?"),
        ("?x=3", 400, "InvalidParameter", f"x: is not a parameter; there are {PARAMETERS}"),
        ("?tailLines=3&tailLines=4", 400, "InvalidParameter", "tailLines: must be given once"),
        ("?follow=1&previous=1", 400, "InvalidParameter", "previous: is of what has ended: it cannot be followed"),
        ("?pod=other", 400, "InvalidParameter", "pod: is no pod of the job train: there are train-x"),
        ("?container=proxy", 404, "NoSuchLog", "the job train has no such log"),
        ("?container=proxy&follow=true", 404, "NoSuchLog", "the job train has no such log"),
        ("?previous=true", 404, "NoSuchLog", "the job train has no such log"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_name(
    tmp_path: Path, query: str, status: int, reason: str, message: str
):
    async with stage(tmp_path) as made:
        made.job(ended="follow" not in query)
        made.pod("train-x", "Running" if "follow" in query else "Succeeded", "one")
        told, body = await get(made, query)
        assert (told, body["reason"], body["message"]) == (status, reason, message)


async def test_a_job_without_a_log_says_why(tmp_path: Path):
    async with stage(tmp_path) as made:
        status, body = await get(made, name="nobody")
        assert (status, body["reason"]) == (404, "UnknownJob")
        made.job()
        made.pod("train-x", "Pending")
        status, body = await get(made)
        assert (status, body["reason"]) == (409, "NotStarted")
        assert body["message"] == "no pod of the job train has started yet: node node-1 is starting it"
        made.mirror.deleted("pods", "train-x")
        made.job(ended=True)
        for query in ("", "?follow=true"):
            status, body = await get(made, query)
            assert (status, body["reason"]) == (410, "LogsGone")
        made.known = False
        status, body = await get(made)
        assert (status, body["reason"]) == (503, "LogsUnavailable")


async def test_a_log_that_breaks_off_does_not_look_whole(tmp_path: Path):
    async with stage(tmp_path) as made:
        made.job(ended=True)
        container = made.pod("train-x", "Succeeded", *["a line"] * 20_000)
        container.breaks_after = [100_000]
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(made)


async def test_the_watchers_port_is_closed_to_who_has_not_the_secret(tmp_path: Path):
    async with stage(tmp_path) as made:
        made.job(ended=True)
        made.pod("train-x", "Succeeded", "one")
        right = {"Authorization": f"Bearer {SECRET}"}
        assert await get(made, url=made.watcher, **right) == (200, "one\n")
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {SECRET}x"}, {"RA-USER": "root"}):
            assert (await get(made, url=made.watcher, **headers))[0] == 401
        made.token.write_text("another secret of both")  # is read anew: by the ingress as well
        assert (await get(made, url=made.watcher, **right))[0] == 401
        assert await get(made) == (200, "one\n")
        for unusable in ("", "short", "ä" * 20):
            made.token.write_text(unusable)
            assert (await get(made, url=made.watcher, Authorization=f"Bearer {unusable}"))[0] == 503
            assert (await get(made))[0] == 503


async def test_a_watcher_that_is_gone_is_told(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text(SECRET)
    remote = RemoteLogs("http://127.0.0.1:1", token)
    async with running(logs=remote) as ingress:
        made = Stage(LogServer(), None, f"http://127.0.0.1:{ingress.port}", "", None, token)  # type: ignore[arg-type] # none
        status, body = await get(made)
    await remote.close()
    assert (status, body["reason"]) == (503, "LogsUnavailable")


async def test_an_ingress_without_a_watcher_serves_no_logs():
    async with running() as ingress:
        made = Stage(LogServer(), None, f"http://127.0.0.1:{ingress.port}", "", None, Path())  # type: ignore[arg-type] # none
        status, body = await get(made)
    assert (status, body["reason"]) == (404, "LogsNotServed")


async def test_so_many_logs_are_read_at_once_and_those_of_clients_that_have_gone_are_not(tmp_path: Path):
    async with stage(tmp_path) as made:
        made.job()
        made.pod("train-x", "Running", "one")
        async with aiohttp.ClientSession(headers={"RA-USER": "john"}) as session:
            path = f"{made.url}/api/v1/jobs/team-a/train/logs?follow=true"
            for _ in range(2):
                response = await session.get(path)
                assert await response.content.readline() == b"one\n"
            assert (await get(made))[0] == 429
        async with asyncio.timeout(10):
            while made.streams._streams:
                await asyncio.sleep(0.01)
        assert (await get(made, "?tailLines=1")) == (200, "one\n")


# on Python 3.13 aiohttp leaves a connection that was cut off to the garbage collector, and says so
@pytest.mark.filterwarnings("ignore:.*Connection.__del__:pytest.PytestUnraisableExceptionWarning")
async def test_a_follower_does_not_hold_up_the_end_and_sees_that_it_was_cut(tmp_path: Path):
    async with stage(tmp_path) as made:
        made.job()
        made.pod("train-x", "Running", "one")
        following = asyncio.create_task(get(made, "?follow=true"))
        while not made.streams._streams:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await made.streams.end()
        with pytest.raises(aiohttp.ClientPayloadError):
            await following


@pytest.mark.parametrize("follow", ["false", "true"])
async def test_a_hundred_megabytes_pass_in_bounded_memory(tmp_path: Path, follow: str):
    line = b"2026-01-01T00:00:01.123456789Z " + b"x" * 968 + b"\n"
    lines = 100_000

    async def hundred_megabytes(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if "sinceTime" not in request.query:  # else it is asked what more there is
            for _ in range(lines // 100):
                await response.write(line * 100)
        return response

    async with stage(tmp_path, hundred_megabytes) as made:
        made.job(ended=True, completions=2, parallelism=2)
        made.pod("train-x", "Succeeded")
        tracemalloc.start()
        try:
            received = 0
            path = f"{made.url}/api/v1/jobs/team-a/train/logs?follow={follow}&timestamps=true"
            async with aiohttp.ClientSession(headers={"RA-USER": "john"}) as session, session.get(path) as response:
                assert response.status == 200
                async for chunk in response.content.iter_any():
                    received += len(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert received == lines * len(b"[train-x] " + line)
    assert peak < 16 * 1024 * 1024  # of client, ingress, watcher and API server together
