"""The page as a whole in a real browser, in front of an ingress that is whole but for Kafka."""

import asyncio

from playwright.async_api import expect

from service.documents.openapi import openapi
from tests.page.jobs_page import Log, event, opened, picture, some_jobs, some_throughput, violations
from tests.unit.running_ingress import running


async def test_nobody_is_kept_out_by_day_or_night_at_a_desk_or_on_a_phone(watched):
    page = watched.page
    async with running(logs=Log()) as ingress:
        await some_jobs(ingress)
        some_throughput(ingress)
        await page.goto(f"http://127.0.0.1:{ingress.port}/")
        await expect(page.locator("#login")).to_be_visible()
        assert await violations(page) == []
        await opened(watched, ingress, "/?job=team-a/evaluate")
        await expect(page.get_by_role("region", name="One job")).to_contain_text("NotEnoughGpu")
        await expect(page.locator("#plots canvas")).to_have_count(2)
        for scheme, size, width in (("light", "desk", 1280), ("dark", "phone", 390)):
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": 800})
            await picture(page, f"page-{size}")
            assert await violations(page) == []
        widths = "['#list', 'thead'].map((each) => document.querySelector(each).getBoundingClientRect().width)"
        assert len(set(await page.evaluate(widths))) == 1
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


async def test_the_documentation_is_drawn_from_this_service_alone(watched):
    async with running() as ingress:
        await watched.page.goto(f"http://127.0.0.1:{ingress.port}/docs")
        await expect(watched.page.get_by_text("Submit a job").first).to_be_visible()
        operations = sum(len(methods) for methods in openapi()["paths"].values())
        await expect(watched.page.locator(".opblock")).to_have_count(operations)
        await expect(watched.page.get_by_text("not supported")).to_have_count(0)
        assert (watched.hosts, watched.broken_policy()) == ({f"127.0.0.1:{ingress.port}"}, [])


async def test_a_tab_that_nobody_sees_holds_no_connection_and_misses_nothing(watched):
    log = Log()
    async with running(logs=log) as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress, "/?job=team-a/train")
        await page.get_by_role("button", name="Log", exact=True).click()
        await expect(page.locator("pre[aria-label=Log]")).to_have_text("epoch 1\n")
        assert (ingress.sample("event_streams"), log.readers) == (1, 1)
        seen = """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
        await page.evaluate(seen, True)
        async with asyncio.timeout(20):
            while ingress.sample("event_streams") or log.readers:
                await asyncio.sleep(0.05)
        await ingress.tell(event(5, "newest"))
        await expect(page.locator("#rows tr")).to_have_count(4)
        log.lines.put_nowait(b"epoch 2\n")
        await page.evaluate(seen, False)
        await expect(page.locator("#rows tr")).to_have_count(5)
        await expect(page.locator("pre[aria-label=Log]")).to_have_text("epoch 2\n")


async def test_what_waits_and_what_is_done_is_drawn_as_it_changes(watched):
    async with running() as ingress:
        throughput = ingress.ingress.throughput
        for number in range(3):
            ingress.topic.behind = 10 - number
            await throughput.sample()
            ingress.ingress._waiters.done += 10
            ingress.ingress._waiters.refused += 5
        ingress.topic.behind = None
        await throughput.sample()
        page = await opened(watched, ingress)
        await expect(page.locator("#waiting-now")).to_have_text("On the topic: nobody can tell")
        await expect(page.locator("#rate-now")).to_have_text("A second: 2 done, 1 refused")
        await expect(page.locator("#plots canvas")).to_have_count(2)
        ingress.topic.behind = 3
        await throughput.sample()
        await expect(page.locator("#waiting-now")).to_have_text("On the topic: 3")
        await expect(page.locator("#rate-now")).to_have_text("A second: 0 done, 0 refused")
        assert (watched.hosts, watched.broken_policy()) == ({f"127.0.0.1:{ingress.port}"}, [])
