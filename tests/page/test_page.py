"""The page in a real browser, in front of an ingress that is whole but for Kafka."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Route, expect

from service.auth.principal import Principal
from service.documents.openapi import openapi
from service.spec.log_request import LogRequest
from service.submission import rejections
from service.submission.job_events import EventKind, JobEvent, Phase, Transition, Waiting
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import Record, read_submission
from service.submission.rejection import SubmissionRejected
from service.validation import PARAMETERS
from tests.page.conftest import Watched
from tests.unit.job_events import job_event
from tests.unit.running_ingress import RunningIngress, running

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
    """The log of every job: a line, then what is put in."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()
        self.lines.put_nowait(b"epoch 1\n")

    @contextlib.asynccontextmanager
    async def open(self, project: str, name: str, request: LogRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        assert request.follow
        yield self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            yield await self.lines.get()


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


async def test_older_jobs_are_drawn_below_those_of_the_first_page(watched):
    async with running() as ingress:
        await ingress.tell(*(event(number, f"job-{number}") for number in range(1, 1003)))
        page = await opened(watched, ingress)
        await expect(page.locator("#rows tr")).to_have_count(1000)
        await page.get_by_role("button", name="Older jobs").click()
        await expect(page.locator("#rows tr")).to_have_count(1002)
        await expect(page.locator("#rows tr").last).to_contain_text("job-1")
        await expect(page.locator("#more")).to_be_hidden()


async def test_jobs_are_listed_filtered_and_told_as_they_move(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress)
        assert await names(page) == ["other", "crashed", "evaluate", "train"]
        await expect(page.locator("#rows tr", has_text="evaluate")).to_contain_text("the largest free node has 4")
        await page.get_by_label("Project").fill("team-a")
        await expect(page.locator("#rows tr")).to_have_count(3)
        await page.get_by_role("button", name="Pending 1").click()
        await expect(page.locator("#rows tr")).to_have_count(1)
        assert page.url.endswith("/?project=team-a&phase=Pending")
        await ingress.tell(event(2, "evaluate", Phase.RUNNING, 2))
        await expect(page.locator("#rows tr")).to_have_count(0)
        await page.reload()
        await expect(page.locator("[name=phase]")).to_have_value("Pending")
        await expect(page.locator("#none")).to_be_visible()
        await page.get_by_role("button", name="Clear").click()
        await expect(page.locator("#rows tr")).to_have_count(4)
        await ingress.tell(event(5, "newest"))
        await expect(page.locator("#rows tr")).to_have_count(5)
        assert (await names(page))[0] == "newest"
        assert (watched.hosts, watched.broken_policy()) == ({f"127.0.0.1:{ingress.port}"}, [])


async def test_one_job_has_its_time_line_its_reason_its_last_lines_and_its_log(watched):
    log = Log()
    async with running(logs=log) as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress)
        await page.get_by_role("link", name="evaluate").click()
        job = page.get_by_role("region", name="One job")
        await expect(job).to_contain_text("NotEnoughGpu: asks 8 GPUs, the largest free node has 4")
        await expect(job).to_contain_text("What you can do: wait, or ask for fewer")
        await expect(job.locator("ol.line li")).to_have_text(
            ["2025-11-26 12:00:00 UTCQueued", "2025-11-26 12:00:02 UTCPending"]
        )
        await ingress.tell(event(2, "evaluate", Phase.RUNNING, 2, nodes=("node-7",)))
        await expect(job).to_contain_text("node-7")
        await expect(job).not_to_contain_text("NotEnoughGpu")
        await job.get_by_role("button", name="Log", exact=True).click()
        await expect(job.get_by_label("Log", exact=True).last).to_have_text("epoch 1\n")
        log.lines.put_nowait(b"epoch 2\n")
        await expect(job.get_by_label("Log", exact=True).last).to_have_text("epoch 1\nepoch 2\n")
        await job.get_by_text("By hand").click()
        await expect(job).to_contain_text(
            f'curl -H "$CREDENTIALS" http://127.0.0.1:{ingress.port}/api/v1/jobs/team-a/evaluate'
        )
        await page.goto(f"http://127.0.0.1:{ingress.port}/?job=team-a/crashed")
        await expect(job).to_contain_text("Ended with 1")
        await expect(job).to_contain_text("ValueError: no data")
        await page.goto(f"http://127.0.0.1:{ingress.port}/?job=team-a/trian")
        await expect(job).to_contain_text("has no job trian that this service made; did you mean train?")
        assert watched.broken_policy() == []


async def test_a_cancel_is_asked_for_twice_and_goes_to_the_topic(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress, "/?job=team-a/train")
        await page.get_by_role("button", name="Cancel job").click()
        await page.get_by_role("button", name="Keep it").click()
        assert ingress.topic.produced == []
        await page.get_by_role("button", name="Cancel job").click()
        await page.get_by_role("button", name="Cancel the job").click()
        written = await ingress.topic.next()
        assert written.value == b'{"cancel":{"project":"team-a","name":"train"}}'
        cancel = read_submission(Record(written.topic, 0, 0, 0, written.key, written.value, written.headers))
        answer = {"submission": cancel.id.key, "project": "team-a", "name": "train"}
        ingress.topic.publish(outcome_record(Outcome.of(cancel, "0" * 64, answer), "outcomes", 0, 1.0))
        await ingress.tell(event(1, "train", Phase.DELETED, 2, deleted_at=NOON + 9000))
        await expect(page.locator("#rows tr")).to_have_count(3)
        await expect(page.get_by_role("button", name="Cancel job")).to_be_hidden()


async def test_a_job_is_submitted_by_a_form_that_has_every_parameter(watched):
    async with running() as ingress:
        page = await opened(watched, ingress, "/?project=team-a")
        await page.get_by_role("button", name="Submit a job").click()
        form = page.locator("#submit")
        await expect(form.get_by_label("project (required)")).to_have_value("team-a")
        given = await form.locator("input, select, textarea").evaluate_all("all => all.map(each => each.name)")
        assert sorted(given) == sorted(PARAMETERS)
        await form.get_by_label("image (required)").fill("python:3.12")
        await form.locator("[name=gpu]").fill("-1")
        await form.get_by_role("button", name="Submit", exact=True).click()
        await expect(form.locator("#fault-gpu")).to_have_text("must be a number of GPUs from 0 to 1000000")
        await form.locator("summary").click()
        assert await violations(page) == []
        await picture(page, "page-submit")
        await form.locator("[name=gpu]").fill("0.5e1")
        await form.locator("[name=largeShm]").check()
        await form.locator("[name=environment]").fill('{"SEED": 7}')
        await form.get_by_role("button", name="Submit", exact=True).click()
        written = await ingress.topic.next()
        assert orjson.loads(written.value or b"") == {
            "job": {
                "project": "team-a",
                "image": "python:3.12",
                "gpu": 5,
                "largeShm": True,
                "environment": {"SEED": 7},
            }
        }
        submission = read_submission(Record(written.topic, 0, 0, 0, written.key, written.value, written.headers))
        ingress.topic.publish(outcome_record(Outcome.of(submission, "0" * 64, "train"), "outcomes", 0, 1.0))
        await ingress.tell(event(1, "train"))
        await expect(page.get_by_role("heading", name="team-a/train")).to_be_visible()
        assert watched.broken_policy() == []


async def test_what_a_proxy_gave_up_waiting_for_is_sent_again_under_its_key(watched):
    async with running() as ingress:
        page = await opened(watched, ingress, "/?project=team-a")
        await page.get_by_role("button", name="Submit a job").click()
        form = page.locator("#submit")
        await form.get_by_label("image (required)").fill("python:3.12")
        keys = []
        answers = [
            {"status": 504, "body": "<html>"},
            {"status": 503, "json": {"status": 503, "reason": "MaybeAccepted"}},
        ]
        answers += [{"status": 409, "json": {"status": 409, "reason": "NameTaken"}}] * 2

        async def answer(route: Route) -> None:
            keys.append(route.request.headers["idempotency-key"])
            await route.fulfill(**answers[len(keys) - 1])

        await page.route("**/api/job", answer)
        for status in (504, 503, 409, 409):
            await form.get_by_role("button", name="Submit", exact=True).click()
            await expect(form.locator("#submit-said")).to_have_text(f"the service answered {status}")
            await form.locator("#submit-said").evaluate("said => { said.textContent = ''; }")
        assert keys[0] == keys[1] == keys[2] != keys[3]


class OneToken:
    """Knows one token."""

    usable = True

    async def verify(self, token: str) -> Principal:
        if token != "secret":
            raise SubmissionRejected(rejections.unauthorized("the token is not known"))
        return Principal("john", is_verified=True, projects=("team-b",))


async def test_a_token_is_asked_for_where_users_are_verified_and_a_wrong_one_is_told(watched):
    async with running(OneToken()) as ingress:
        await some_jobs(ingress)
        page, login = watched.page, watched.page.locator("#login")
        await page.goto(f"http://127.0.0.1:{ingress.port}/")
        await login.get_by_label("Token").fill("guessed")
        await login.get_by_role("button").click()
        await expect(login).to_contain_text("the token is not known")
        await login.get_by_label("Token").fill("secret")
        await login.get_by_role("button").click()
        await expect(page.locator("#rows tr")).to_have_count(1)
        assert await names(page) == ["other"]
        assert await page.context.cookies() == []
        await page.get_by_role("button", name="log out").click()
        await expect(login).to_be_visible()
        await expect(page.locator("#rows tr")).to_have_count(0)
        assert await page.evaluate("JSON.stringify(sessionStorage)") == "{}"


async def test_nobody_is_kept_out_by_day_or_night_at_a_desk_or_on_a_phone(watched):
    page = watched.page
    async with running(logs=Log()) as ingress:
        await some_jobs(ingress)
        await page.goto(f"http://127.0.0.1:{ingress.port}/")
        await expect(page.locator("#login")).to_be_visible()
        assert await violations(page) == []
        await opened(watched, ingress, "/?job=team-a/evaluate")
        await expect(page.get_by_role("region", name="One job")).to_contain_text("NotEnoughGpu")
        for scheme, size, width in (("light", "desk", 1280), ("dark", "phone", 390)):
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": 800})
            await picture(page, f"page-{size}")
            assert await violations(page) == []
        for summary in await page.locator("#job summary").all():
            await summary.click()
        await page.get_by_role("button", name="Log", exact=True).click()
        await expect(page.get_by_label("Log", exact=True).last).to_have_text("epoch 1\n")
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


async def test_a_restart_of_the_server_needs_no_reload(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress)
        await expect(page.locator("#rows tr")).to_have_count(4)
    await expect(page.locator("#live")).to_have_text("the connection is gone: trying again")
    async with running(job_events=ingress.job_events, port=ingress.port) as again:
        await again.tell(event(5, "newest"))
        await expect(page.locator("#rows tr")).to_have_count(5)
        await expect(page.locator("#live")).to_have_text("live")


async def test_the_list_can_be_worked_by_keyboard(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress)
        await page.get_by_role("link", name="train").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="team-a/train")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Log", exact=True)).to_be_focused()
        await page.go_back()
        await expect(page.get_by_role("region", name="One job")).to_be_hidden()


async def test_the_documentation_is_drawn_from_this_service_alone(watched):
    async with running() as ingress:
        await watched.page.goto(f"http://127.0.0.1:{ingress.port}/docs")
        await expect(watched.page.get_by_text("Submit a job").first).to_be_visible()
        operations = sum(len(methods) for methods in openapi()["paths"].values())
        await expect(watched.page.locator(".opblock")).to_have_count(operations)
        await expect(watched.page.get_by_text("not supported")).to_have_count(0)
        assert (watched.hosts, watched.broken_policy()) == ({f"127.0.0.1:{ingress.port}"}, [])
