"""One job in a real browser: what it is, its log, its end."""

import pytest
from playwright.async_api import expect

from service.submission.job_events import Phase
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import Record, read_submission
from tests.page.jobs_page import NOON, Log, event, opened, some_jobs
from tests.unit.running_ingress import running


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


async def test_a_log_that_breaks_off_is_asked_for_again_and_its_end_is_told(watched):
    log = Log()
    async with running(logs=log) as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress, "/?job=team-a/train")
        job = page.get_by_role("region", name="One job")
        await job.get_by_role("button", name="Log", exact=True).click()
        text, state = job.locator("pre[aria-label=Log]"), job.locator("pre[aria-label=Log] + p")
        await expect(text).to_have_text("epoch 1\n")
        await expect(state).to_have_text("live")
        log.lines.put_nowait(None)
        await expect(state).to_have_text("the log broke off: asking for it again")
        log.lines.put_nowait(b"once more\n")
        await expect(text).to_have_text("once more\n")
        log.lines.put_nowait(b"")
        await expect(state).to_have_text("the end of the log")
        await job.get_by_role("button", name="Log", exact=True).click()
        await expect(text).to_be_hidden()


async def test_a_log_that_is_not_served_says_why(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress, "/?job=team-a/train")
        await page.get_by_role("button", name="Log", exact=True).click()
        await expect(page.locator("pre[aria-label=Log] + p")).to_contain_text("this installation does not serve logs")


PLAIN = [
    ("two lines\nand a part", "two lines\nand a part"),
    ("a\x1b[1;31mred\x1b[0m word", "ared word"),
    ("10 %\r20 %\r30 %\ndone\r\n", "30 %\ndone\n"),
    ("\x1b]0;a title\x07text \x1b]8;;address\x1b\\link\x1b]8;;\x1b\\", "text link"),
    ("bell\x07 null\0 del\x7f csi\x9b tab\t", "bell\u2407 null\u2400 del\ufffd csi\ufffd tab\t"),
    ("turned \u202eround", "turned \ufffdround"),
    ("charset \x1b(B and keypad \x1b= here", "charset  and keypad  here"),
    ("", ""),
]


async def test_of_a_log_its_plain_text_is_shown_however_it_is_cut_into_pieces(watched):
    async with running() as ingress:
        await watched.page.goto(f"http://127.0.0.1:{ingress.port}/healthz")
        shown = """async texts => {
            const { Plain } = await import("/page/log.js");
            return texts.map((text) => [...Array(text.length + 1).keys()].map((at) => {
                const plain = new Plain();
                plain.add(text.slice(0, at));
                plain.add(text.slice(at));
                return plain.toString();
            }));
        }"""
        told = await watched.page.evaluate(shown, [text for text, _ in PLAIN])
        assert [(text, set(each)) for (text, _), each in zip(PLAIN, told, strict=True)] == [
            (text, {plain}) for text, plain in PLAIN
        ]


LONG = {
    "a line": "x" * 9999,
    "lines": "x" * 999 + "\n",
    "a title": "\x1b]" + "x" * 9999,
    "a colour": "\x1b[" + "0" * 9999,
    "a progress bar": "\r" * 9999,
}


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG)
async def test_of_a_log_the_end_is_kept_however_long_it_is(watched, piece):
    async with running() as ingress:
        await watched.page.goto(f"http://127.0.0.1:{ingress.port}/healthz")
        size = await watched.page.evaluate(
            """async piece => {
                const plain = new (await import("/page/log.js")).Plain();
                for (let number = 0; number < 100; number += 1) plain.add(piece);
                plain.add("the end");
                return plain.done.length + plain.line.length + plain.rest.length;
            }""",
            piece,
        )
        assert size < 500_000
