"""The watch on API servers that forget, hang up and refuse."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from aiohttp import web

from service.kube import Login
from service.kube import watch as watch_module
from service.kube.reader import KubeReader
from service.kube.watch import Watch
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics
from tests.unit.kube_servers import answering, kubeconfig

Script = list[Callable[[web.BaseRequest], Any]]


def job(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"u-{name}", "resourceVersion": str(version)}}


def page(*items: dict[str, Any], version: int, following: str = "") -> Callable[[web.BaseRequest], Any]:
    body = {"kind": "JobList", "metadata": {"resourceVersion": str(version), "continue": following}, "items": items}

    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body)

    return answer


def events(*lines: tuple[str, dict[str, Any]], torn: bool = False) -> Callable[[web.BaseRequest], Any]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for kind, item in lines:
            await response.write(orjson.dumps({"type": kind, "object": item}) + b"\n")
        if torn:
            await response.write(b'{"type": "ADD')
            request.transport.close()
        return response

    return answer


def refusing(status: int, reason: str) -> Callable[[web.BaseRequest], Any]:
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "code": status, "reason": reason}, status=status)

    return answer


GONE = ("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})


@asynccontextmanager
async def watching(
    folder: Path, script: Script, asked: list[str], resource: str = "jobs", *, optional: bool = False
) -> AsyncIterator[Watch]:
    steps = iter(script)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.query_string)
        step = next(steps, None)
        if step is None:
            await asyncio.sleep(3600)
        return await step(request)

    async with answering(handler) as server:
        settings = KubeSettings(config_file=kubeconfig(folder, server, {"token": "t"}))
        reader = KubeReader(Login.of(settings), 5, Metrics())
        try:
            yield Watch(reader, resource, "", {"labelSelector": "a=b"}, uniform=lambda: 0.01, optional=optional)
        finally:
            await reader.close()


async def told(folder: Path, script: Script, number: int) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the first `number` changes, as kind and name, and what the API server was asked for them."""
    asked: list[str] = []
    changes: list[tuple[str, str]] = []
    async with watching(folder, script, asked) as watch:
        async for change in watch.changes():
            changes.append((change.kind, change.object.get("metadata", {}).get("name", "")))
            if len(changes) == number:
                break
    return changes, asked


@pytest.fixture(autouse=True)
def _same_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "WATCH_SECONDS", (240, 240))


WATCH = "labelSelector=a%3Db&watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds=240"
LISTED = [("listing", ""), ("applied", "a"), ("synced", "")]


async def test_a_list_comes_in_pages_and_the_watch_goes_on_from_it(tmp_path: Path):
    script = [
        page(job("a", 1), version=7, following="more"),
        page(job("b", 2), version=7),
        events(("ADDED", job("c", 8)), ("DELETED", job("a", 9))),
    ]
    assert await told(tmp_path, script, 6) == (
        [("listing", ""), ("applied", "a"), ("applied", "b"), ("synced", ""), ("applied", "c"), ("deleted", "a")],
        ["labelSelector=a%3Db&limit=500", "labelSelector=a%3Db&limit=500&continue=more", WATCH.format(7)],
    )


async def test_after_the_end_of_a_watch_the_next_goes_on_from_the_last_bookmark(tmp_path: Path):
    script = [
        page(job("a", 1), version=7),
        events(("MODIFIED", job("a", 8)), ("BOOKMARK", {"metadata": {"resourceVersion": "99"}})),
        events(("MODIFIED", job("b", 100))),
    ]
    changes, asked = await told(tmp_path, script, 5)
    assert changes == [*LISTED, ("applied", "a"), ("applied", "b")]
    assert asked[1:] == [WATCH.format(7), WATCH.format(99)]


async def test_a_connection_that_breaks_in_a_line_is_resumed_without_a_list(tmp_path: Path):
    script = [page(job("a", 1), version=7), events(("ADDED", job("b", 8)), torn=True), events(("ADDED", job("c", 9)))]
    changes, asked = await told(tmp_path, script, 5)
    assert changes == [*LISTED, ("applied", "b"), ("applied", "c")]
    assert asked[1:] == [WATCH.format(7), WATCH.format(8)]


@pytest.mark.parametrize("gone", [events(GONE), refusing(410, "Expired")])
async def test_a_version_that_was_forgotten_is_followed_by_a_new_list(tmp_path: Path, gone: Any):
    script = [page(job("a", 1), version=7), gone, page(job("b", 9), version=10)]
    changes, _ = await told(tmp_path, script, 6)
    assert changes == [*LISTED, ("listing", ""), ("applied", "b"), ("synced", "")]


async def test_a_list_whose_pages_expire_begins_anew(tmp_path: Path):
    script = [page(job("a", 1), version=7, following="x"), refusing(410, "Expired"), page(job("b", 9), version=10)]
    changes, _ = await told(tmp_path, script, 5)
    assert changes == [("listing", ""), ("applied", "a"), ("listing", ""), ("applied", "b"), ("synced", "")]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_refusal_is_waited_out_and_followed_by_a_list(tmp_path: Path, status: int):
    script = [
        refusing(status, "Odd"),
        page(job("a", 1), version=7),
        refusing(status, "Odd"),
        page(job("b", 2), version=8),
    ]
    changes, _ = await told(tmp_path, script, 7)
    assert changes == [("listing", ""), *LISTED, ("listing", ""), ("applied", "b"), ("synced", "")]


async def test_a_page_of_something_in_front_is_no_list(tmp_path: Path):
    async def portal(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="<html>log in</html>")

    changes, _ = await told(tmp_path, [portal, page(job("a", 1), version=7)], 4)
    assert changes == [("listing", ""), *LISTED]


async def test_a_line_longer_than_a_chunk_is_one_object(tmp_path: Path):
    large = job("a", 8) | {"spec": "x" * 300_000}
    script = [page(version=7), events(("ADDED", large))]
    changes, _ = await told(tmp_path, script, 3)
    assert changes == [("listing", ""), ("synced", ""), ("applied", "a")]


async def test_a_list_that_is_refused_again_and_again_is_told_once_and_asked_for_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    asked: list[str] = []
    script = [*[refusing(403, "Forbidden")] * 5, page(job("a", 1), version=7)]
    with structlog.testing.capture_logs() as lines:
        async with watching(tmp_path, script, asked) as watch:
            monkeypatch.setattr(watch_module.asyncio, "sleep", sleep)
            up = []
            async for change in watch.changes():
                up.append((change.kind, watch.up))
                if change.kind == "synced":
                    break
            monkeypatch.undo()
    assert [line["event"] for line in lines] == ["watch-broken", "watch-back"]
    assert up == [("listing", False)] * 6 + [("applied", False), ("synced", True)]
    assert pauses == pytest.approx([0.002, 0.004, 0.008, 0.016, 0.032])


def document(seen: list[str], **members: Any) -> Callable[[web.BaseRequest], Any]:
    """A document of the API's discovery; notes in `seen` where it was asked for."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return web.json_response(members)

    return answer


async def test_a_scheduler_resource_is_read_in_the_version_that_has_it(tmp_path: Path):
    seen: list[str] = []
    versions = [{"groupVersion": "scheduling.run.ai/v2"}, {"groupVersion": "scheduling.run.ai/v2alpha2"}]
    listed = document(seen, metadata={"resourceVersion": "7"}, items=[job("a", 1)])
    script = [
        document(seen, versions=versions),
        document(seen, resources=[{"name": "queues"}]),
        document(seen, resources=[{"name": "podgroups/status"}, {"name": "podgroups"}]),
        listed,
    ]
    async with watching(tmp_path, script, [], "podgroups", optional=True) as watch:
        changes = [change.kind async for change in first(watch, 3)]
    group = "/apis/scheduling.run.ai"
    assert changes == ["listing", "applied", "synced"]
    assert seen == [group, f"{group}/v2", f"{group}/v2alpha2", f"{group}/v2alpha2/podgroups"]


async def first(watch: Watch, number: int) -> AsyncIterator[watch_module.Change]:
    async for change in watch.changes():
        yield change
        number -= 1
        if not number:
            return


async def test_a_scheduler_that_is_not_installed_is_told_once_and_found_when_it_is(tmp_path: Path):
    seen: list[str] = []
    script = [
        *[refusing(404, "NotFound")] * 2,
        document(seen, versions=[{"groupVersion": "kueue.x-k8s.io/v1beta2"}]),
        document(seen, resources=[{"name": "workloads"}]),
        refusing(404, "NotFound"),  # its definition was changed in between
        document(seen, versions=[{"groupVersion": "kueue.x-k8s.io/v1beta1"}]),
        document(seen, resources=[{"name": "workloads"}]),
        document(seen, metadata={"resourceVersion": "7"}, items=[job("a", 1)]),
    ]
    with structlog.testing.capture_logs() as lines:
        async with watching(tmp_path, script, [], "workloads", optional=True) as watch:
            changes = [change.kind async for change in first(watch, 9)]
    unavailable = ["listing", "unavailable"]
    assert changes == [*unavailable, *unavailable, *unavailable, "listing", "applied", "synced"]
    assert seen[-1] == "/apis/kueue.x-k8s.io/v1beta1/workloads"
    assert [line["event"] for line in lines] == ["watch-broken", "watch-back"]
    assert lines[0]["reason"] == "workloads.kueue.x-k8s.io is not installed"


async def test_what_one_cannot_do_without_is_never_called_unavailable(tmp_path: Path):
    changes, _ = await told(tmp_path, [refusing(403, "Forbidden"), page(job("a", 1), version=7)], 4)
    assert changes == [("listing", ""), *LISTED]
