"""The files of the page: which there are, how they are answered, and that nothing in them leads elsewhere."""

import hashlib
import re
from importlib.resources import files

import pytest

from service.page.files import VENDORED, content_security_policy, page_files
from tests.unit.running_ingress import running

OURS = sorted(set(page_files()) - set(VENDORED))
BROWSER = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("name", VENDORED)
def test_what_is_somebody_elses_is_as_the_package_has_it(name: str):
    assert hashlib.sha256(page_files()[name].content).hexdigest() == VENDORED[name]


def test_every_file_that_is_vendored_is_named_with_its_licence():
    folder = files("service.page").joinpath("vendored")
    assert {path.name for path in folder.iterdir()} == {*VENDORED, "swagger-ui.LICENSE", "uPlot.LICENSE"}


@pytest.mark.parametrize("name", OURS)
def test_nothing_of_ours_is_inline_or_leads_elsewhere(name: str):
    text = page_files()[name].content.decode()
    assert re.findall(r"https?://", text) == []
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=\"|innerHTML|eval\(", text) == []


async def test_a_browser_gets_the_page_and_a_load_balancer_what_there_is():
    async with running() as ingress:
        page = await ingress.get("/", BROWSER)
        assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert page.headers["Content-Security-Policy"] == content_security_policy()
        assert page.body == page_files()["index.html"].content
        plain = await ingress.get("/", "Accept: */*")
        assert (plain.status, list(plain.body)) == (200, ["message"])


async def test_a_file_is_answered_once_and_then_by_its_etag():
    async with running() as ingress:
        for path, name in (("/docs", "docs.html"), *((f"/page/{name}", name) for name in page_files())):
            answer = await ingress.get(path)
            assert (answer.status, answer.body) == (200, page_files()[name].content)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            again = await ingress.get(path, f"If-None-Match: {answer.headers['ETag']}")
            assert (again.status, again.headers["ETag"]) == (304, answer.headers["ETag"])


@pytest.mark.parametrize("name", ["x.js", "..%2Ffiles.py", "swagger-ui.LICENSE", "index.html%00"])
async def test_there_is_nothing_else(name: str):
    async with running() as ingress:
        answer = await ingress.get(f"/page/{name}")
        assert (answer.status, answer.body["reason"]) == (404, "UnknownPath")
