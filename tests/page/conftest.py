"""A browser of this machine, and a page in it that keeps to itself.

One browser serves all tests of a process, as its start takes longer than most of them; so all share its event loop.
"""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_MISSING = "the page is tested in Chromium, and this machine has none (Debian: apt-get install chromium)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in the loop of the browser."""
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a window; with TEST_BROWSER=required this machine has to have it."""
    if CHROMIUM is None:
        if os.environ.get("TEST_BROWSER") == "required":
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    async with async_playwright() as playwright:
        # root, as which CI runs, has no sandbox
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            await browser.close()


class Watched:
    """A page, and what it asked for and complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def broken_policy(self) -> list[str]:
        """Complaints but for those about answers of 400 and above, which are some tests' subject."""
        return [text for text in self.complaints if "the server responded with a status" not in text]


@pytest_asyncio.fixture(loop_scope="session")
async def watched(browser: Browser) -> AsyncIterator[Watched]:
    """An empty page, light, of the size of a desk, with nothing left of the pages before."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    page = await context.new_page()
    page.set_default_timeout(20_000)
    try:
        yield Watched(page)
    finally:
        await context.close()
