"""How quick the page is with ten thousand jobs, in Chromium without a window: `make page` prints it."""

import asyncio
import statistics

from playwright.async_api import CDPSession, async_playwright, expect

from service.submission.job_events import Phase
from tests.page.conftest import CHROMIUM, Watched
from tests.page.jobs_page import WAITING, event, opened
from tests.unit.running_ingress import running

JOBS = 10_000
PHASES = (Phase.RUNNING, Phase.PENDING, Phase.SUCCEEDED, Phase.FAILED)
NAMES = [text for number in range(10) for text in (f"job-{number}", f"job-{number}5", "")]

UNTIL_PAINTED = """async texts => {
    const input = document.querySelector("#filter [name=name]"), took = [];
    for (const text of texts) {
        const began = performance.now();
        input.value = text;
        input.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        took.push(performance.now() - began);
    }
    return took;
}"""
"""From a letter in the filter to after the frame that shows what fits; a frame alone takes up to 17 ms."""

LOADED = """async () => {
    while (document.querySelector("#live").textContent !== "live") await new Promise(requestAnimationFrame);
    return performance.now();
}"""


async def main() -> None:
    """Measure, and print."""
    async with running(events_remembered=100) as ingress, async_playwright() as playwright:
        await ingress.tell_all(
            event(
                number,
                f"job-{number}",
                PHASES[number % 4],
                project=f"team-{number % 20}",
                waiting=WAITING if number % 4 == 1 else None,
            )
            for number in range(1, JOBS + 1)
        )
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--enable-precise-memory-info"]
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await opened(Watched(page), ingress)
        await page.reload()
        loaded = await page.evaluate(LOADED)
        await expect(page.locator("#table")).to_have_attribute("aria-rowcount", str(JOBS + 1))
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = await _cpu_seconds(devtools)
        filtered = await page.evaluate(UNTIL_PAINTED, NAMES)
        cpu = (await _cpu_seconds(devtools) - before) / len(filtered)
        elements = await page.evaluate("document.querySelectorAll('*').length")
        heap = await page.evaluate("performance.memory.usedJSHeapSize")
        await browser.close()
    print(f"{JOBS} jobs loaded and live after: {loaded:.0f} ms from the beginning of the navigation")
    print(f"a letter in the filter until it is painted: {_spread(filtered)} ({len(filtered)} times)")
    print(f"CPU of the page's thread for it, however busy the machine: {cpu * 1000:.0f} ms")
    print(f"elements in the page: {elements}; JavaScript's heap: {heap / 1e6:.0f} MB")


async def _cpu_seconds(devtools: CDPSession) -> float:
    """All that the main thread of the page has used; Chromium's own measure."""
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")


def _spread(milliseconds: list[float]) -> str:
    return f"median {statistics.median(milliseconds):.0f} ms, most {max(milliseconds):.0f} ms"


if __name__ == "__main__":
    asyncio.run(main())
