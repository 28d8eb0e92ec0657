"""The form of a submission in a real browser."""

import time

import orjson
from playwright.async_api import Locator, Page, Route, expect

from service.submission import rejections
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import Record, read_submission
from service.submission.waiting_in_log import Place
from service.validation import PARAMETERS
from tests.page.jobs_page import event, opened, picture, violations
from tests.unit.job_events import job_event
from tests.unit.running_ingress import running

ASYNC = {"prefer": "respond-async"}


async def begun(page: Page) -> Locator:
    """The form, opened, with all that a job must have."""
    await page.get_by_role("button", name="Submit a job").click()
    form = page.locator("#submit")
    await form.get_by_label("image (required)").fill("python:3.12")
    return form


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
        form = await begun(page)
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


async def test_what_has_no_job_yet_is_shown_with_where_it_waits_and_why_it_was_refused(watched):
    async with running() as ingress:
        page = await opened(watched, ingress, "/?project=team-a")
        await page.route("**/api/job", lambda route: route.continue_(headers=route.request.headers | ASYNC))
        under_way = page.get_by_role("region", name="Submissions on their way")
        submitted = []
        for name in ("first", "second"):
            form = await begun(page)
            await form.locator("[name=name]").fill(name)
            await form.get_by_role("button", name="Submit", exact=True).click()
            written = await ingress.topic.next()
            record = Record(written.topic, 0, 0, 0, written.key, written.value, written.headers)
            submitted.append(read_submission(record))
            ingress.topic.places[submitted[-1].id.key] = "john", Place(7, int(time.time() * 1000) - 3_600_000)
            await expect(under_way).to_contain_text(f"team-a/{name} on the topic: 7 before it, 60 min on the topic")
        await page.reload()
        await expect(under_way.get_by_role("listitem")).to_have_count(2)
        assert await violations(page) == []
        first, second = submitted
        ingress.topic.places.clear()
        refused = rejections.quota_exceeded("the quota of project team-a is used up", "count/jobs.batch=10")
        for submission, answer in ((first, refused), (second, "second")):
            outcome = outcome_record(Outcome.of(submission, "0" * 64, answer), "outcomes", 0, 1.0)
            ingress.topic.past[0].append(outcome)
            ingress.window.remember(0, [(outcome.key, len(ingress.topic.past[0]) - 1)])
        await expect(under_way).to_contain_text("team-a/first refused, QuotaExceeded: the quota of project team-a")
        await expect(under_way).to_contain_text("team-a/second created")
        await ingress.tell(job_event(2, name="second", submission=second.id.key))
        await expect(under_way.get_by_role("listitem")).to_have_count(1)
        await under_way.get_by_role("button", name="Dismiss team-a/first").click()
        await expect(under_way).to_be_hidden()
        assert watched.broken_policy() == []


async def test_what_was_written_is_there_again_after_the_token_had_expired(watched):
    async with running() as ingress:
        page = await opened(watched, ingress, "/?project=team-a")
        form = await begun(page)
        await form.locator("summary").click()
        await form.locator("[name=largeShm]").check()
        expired = {"status": 401, "reason": "Unauthorized", "message": "the token has expired"}
        await page.route("**/api/job", lambda route: route.fulfill(status=401, json=expired))
        await form.get_by_role("button", name="Submit", exact=True).click()
        await expect(page.locator("#login")).to_be_visible()
        await page.reload()
        await page.get_by_role("button", name="Submit a job").click()
        await expect(form.get_by_label("image (required)")).to_have_value("python:3.12")
        await expect(form.locator("[name=largeShm]")).to_be_checked()
