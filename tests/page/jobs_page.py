"""Jobs to look at, and the page opened on them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from service.errors import LogBrokeOff
from service.spec.log_request import LogRequest
from service.submission.job_events import EventKind, JobEvent, Phase, Transition, Waiting
from service.views.throughput import SAMPLES, Sample
from tests.page.conftest import Watched
from tests.unit.job_events import job_event
from tests.unit.running_ingress import RunningIngress

PICTURES = os.environ.get("TEST_PICTURES")
"""A folder into which the pictures of the documentation are drawn."""
NOON = 1764158400000
WAITING = Waiting.model_validate(
    {
        "reason": "NotEnoughGpu",
        "class": "capacity",
        "sentence": "asks 8 GPUs, the largest free node has 4",
        "next": "wait, or ask for fewer",
        "since": NOON,
        "stage": "schedule",
    }
)


class Log:
    """The log of every job: a line, then what is put in; None breaks it off, and nothing ends it."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.readers = 0
        self.lines.put_nowait(b"epoch 1\n")

    @contextlib.asynccontextmanager
    async def open(self, project: str, name: str, request: LogRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        assert request.follow
        self.readers += 1
        try:
            yield self._chunks()
        finally:
            self.readers -= 1

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            line = await self.lines.get()
            if line is None:
                raise LogBrokeOff("the watcher is gone")
            if not line:
                return
            yield line


def event(number: int, name: str, phase: Phase = Phase.RUNNING, sequence: int = 1, **more: Any) -> JobEvent:
    state = {
        "status": phase.value,
        "created_at": NOON + number,
        "images": ("python:3.12",),
        "requested_gpus": 1,
        "history": (Transition(at=NOON, phase=Phase.QUEUED), Transition(at=NOON + 2000, phase=phase)),
        **more,
    }
    kind = EventKind.DELETED if phase is Phase.DELETED else EventKind.RUNNING
    return job_event(number, sequence, kind=kind, name=name, phase=phase, **state)


async def some_jobs(ingress: RunningIngress) -> None:
    await ingress.tell(
        event(1, "train"),
        event(2, "evaluate", Phase.PENDING, waiting=WAITING, requested_gpus=8),
        event(3, "crashed", Phase.FAILED, exit={"code": 1, "reason": "Error", "message": "ValueError: no data"}),
        event(4, "other", Phase.SUCCEEDED, project="team-b", user="mary"),
    )


def some_throughput(ingress: RunningIngress) -> None:
    """Ten minutes in which a burst is worked off."""
    for number in range(SAMPLES):
        waiting, done = max(0, 400 - 4 * number), 20 + number % 7 if number < 100 else number % 3
        sample = Sample(NOON + 5000 * number, waiting, done, number % 5 // 4)
        ingress.ingress.throughput.samples.append(sample)


async def opened(watched: Watched, ingress: RunningIngress, path: str = "/", *, user: str = "john") -> Page:
    """Open the page and log in by name."""
    page = watched.page
    await page.goto(f"http://127.0.0.1:{ingress.port}{path}")
    await page.locator("#login").get_by_label("User").fill(user)
    await page.locator("#login").get_by_role("button", name="Log in").click()
    await expect(page.locator("#live")).to_have_text("live")
    return page


async def names(page: Page) -> list[str]:
    return await page.locator("#rows td:first-child").all_inner_texts()


async def violations(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found.response["violations"]]


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png")
