"""The list of jobs in a real browser: filtered, counted, told as it moves, however long it is."""

import shlex
from collections.abc import Iterator
from urllib.parse import unquote

from playwright.async_api import Route, expect

from service.submission.job_events import JobEvent, Phase
from tests.page.jobs_page import event, names, opened, some_jobs
from tests.unit.running_ingress import running

MOST = 10_000
"""Jobs that the page keeps."""
PHASES = (Phase.RUNNING, Phase.PENDING, Phase.SUCCEEDED)
ROWS_DRAWN = 60
ELEMENTS = 1000


async def test_jobs_are_listed_filtered_and_told_as_they_move(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress)
        assert await names(page) == ["other", "crashed", "evaluate", "train"]
        await expect(page.locator("#rows tr", has_text="evaluate")).to_contain_text("the largest free node has 4")
        await page.locator("#filter").get_by_label("Project").fill("team-a")
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


async def test_jobs_are_counted_by_phase_project_and_reason_and_the_counts_filter(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress)
        counts = {name: page.get_by_role("group", name=f"Jobs by {name}") for name in ("phase", "project", "reason")}
        await expect(counts["phase"].get_by_role("button")).to_have_text(
            ["Failed 1", "Pending 1", "Running 1", "Succeeded 1"]
        )
        await expect(counts["project"].get_by_role("button")).to_have_text(["team-a 3", "team-b 1"])
        await expect(counts["reason"].get_by_role("button")).to_have_text(["NotEnoughGpu 1"])
        await counts["project"].get_by_role("button", name="team-b").click()
        assert page.url.endswith("/?project=team-b")
        await expect(counts["phase"].get_by_role("button")).to_have_text(["Succeeded 1"])
        await expect(counts["project"].get_by_role("button")).to_have_text(["team-a 3", "team-b 1"])
        await expect(counts["project"].get_by_role("button", name="team-b")).to_have_attribute("aria-pressed", "true")
        await expect(counts["project"].get_by_role("button", name="team-b")).to_be_focused()
        await page.keyboard.press("Enter")
        await counts["reason"].get_by_role("button", name="NotEnoughGpu").click()
        await expect(page.locator("#rows tr")).to_have_count(1)
        await expect(page.get_by_label("Waits for")).to_have_value("NotEnoughGpu")


async def test_ten_thousand_jobs_are_kept_and_few_are_drawn_however_many_come(watched):
    def jobs(numbers: range) -> Iterator[JobEvent]:
        return (event(number, f"job-{number}", PHASES[number % 3]) for number in numbers)

    async with running(events_remembered=1000) as ingress:
        await ingress.tell_all(jobs(range(1, MOST + 11)))
        page = await opened(watched, ingress)
        table, rows = page.get_by_role("table", name="Jobs"), page.locator("#rows tr")
        await expect(table).to_have_attribute("aria-rowcount", str(MOST + 1))
        await expect(page.locator("#older")).to_have_text(f"These are the newest {MOST}: a filter reaches older ones.")
        await page.locator("#list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
        await expect(rows.last).to_contain_text("job-11")
        await expect(rows.last).to_have_attribute("aria-rowindex", str(MOST + 1))
        assert await rows.count() < ROWS_DRAWN
        await ingress.tell_all(jobs(range(MOST + 11, MOST + 511)))
        await expect(rows.last).to_contain_text("job-511")
        await page.locator("#list").evaluate("list => list.scrollTo(0, 0)")
        await expect(rows.first).to_contain_text(f"job-{MOST + 510}")
        await expect(table).to_have_attribute("aria-rowcount", str(MOST + 1))
        assert await page.evaluate("document.querySelectorAll('*').length") < ELEMENTS
        await page.get_by_label("Name has").fill("job-3")
        fitting = [number for number in range(1, MOST + 511) if str(number).startswith("3")]  # some are older ones
        await expect(table).to_have_attribute("aria-rowcount", str(len(fitting) + 1))
        assert (await names(page))[0] == "job-3999"
        pending = sum(number % 3 == 1 for number in fitting)
        await expect(page.get_by_role("button", name="Pending")).to_have_text(f"Pending {pending}")


async def test_what_is_in_sight_stays_where_it_is_while_jobs_come_above_it(watched):
    async with running() as ingress:
        await ingress.tell_all(event(number, f"job-{number}") for number in range(1, 301))
        page = await opened(watched, ingress)
        row = page.get_by_role("link", name="job-100", exact=True)
        await page.locator("#list").evaluate("list => list.scrollTo(0, 5700)")
        before = await row.bounding_box()
        await ingress.tell_all(event(number, f"job-{number}") for number in range(301, 321))
        await expect(page.get_by_role("button", name="Running")).to_have_text("Running 320")
        assert await row.bounding_box() == before


async def test_a_filter_within_what_is_loaded_asks_nobody(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        await page.locator("#filter").get_by_label("User").fill("mary")
        await expect(page.locator("#rows tr")).to_have_count(1)
        await page.get_by_role("button", name="Clear").click()
        await expect(page.locator("#rows tr")).to_have_count(4)
        await page.locator("[name=deleted]").select_option("any")
        async with page.expect_request("**/api/v1/jobs?deleted=any"):
            pass
        assert [url for url in asked if "/api/v1/jobs?" in url and "deleted=any" not in url] == []


async def test_names_that_mean_something_elsewhere_are_only_text(watched):
    nasty = "<img src=x onerror=alert(1)>'\"$(reboot)`id`&amp;\u202etxt"
    async with running() as ingress:
        await ingress.tell(
            event(1, nasty, user="<b>", images=("a'; rm -rf /",)), event(2, "x" * 300, project="y" * 300)
        )
        page = await opened(watched, ingress)
        assert await names(page) == ["x" * 300, nasty]
        await page.get_by_role("link", name="reboot").click()
        job = page.get_by_role("region", name="One job")
        await expect(job.get_by_role("heading", name="reboot")).to_be_visible()
        await job.get_by_text("By hand").click()
        commands = await job.get_by_label("Command").all_inner_texts()
        words = [shlex.split(command) for command in commands]
        url = f"http://127.0.0.1:{ingress.port}/api/v1/jobs/team-a/"
        assert words[0][:3] == ["curl", "-H", "$CREDENTIALS"]
        assert unquote(words[0][3]) == url + nasty
        assert [word[-1] for word in words[3:]] == [nasty] * 4 + [f"batch.kubernetes.io/job-name={nasty}", nasty]
        assert words[6] == ["kubectl", "-n", "runai-team-a", "get", "-o", "yaml", "job", nasty]
        assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        assert watched.broken_policy() == []


async def test_the_list_can_be_worked_by_keyboard(watched):
    async with running() as ingress:
        await some_jobs(ingress)
        page = await opened(watched, ingress)
        await page.get_by_role("link", name="train").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="team-a/train")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Log", exact=True)).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("region", name="One job")).to_be_hidden()
        await expect(page.get_by_role("link", name="train")).to_be_focused()
        await page.go_back()
        await expect(page.get_by_role("region", name="One job")).to_be_visible()
        assert await page.title() == "team-a/train - Jobs"


async def test_the_keyboard_moves_from_row_to_row_through_the_whole_list(watched):
    async with running() as ingress:
        await ingress.tell_all(event(number, f"job-{number}") for number in range(1, 301))
        page = await opened(watched, ingress)
        await page.locator("#list").focus()
        for key, name in (
            ("ArrowDown", "job-300"),
            ("ArrowDown", "job-299"),
            ("End", "job-1"),
            ("ArrowUp", "job-2"),
            ("Home", "job-300"),
        ):
            await page.keyboard.press(key)
            await expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
            await expect(page.get_by_role("link", name=name, exact=True)).to_be_in_viewport()
        await ingress.tell(event(301, "newest"))
        await expect(page.locator("#rows tr").first).to_contain_text("newest")
        await expect(page.get_by_role("link", name="job-300", exact=True)).to_be_focused()
        await page.keyboard.press("PageDown")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="team-a/job-")).to_be_focused()


async def test_who_is_told_to_come_later_in_the_middle_of_a_list_goes_on_from_there(watched):
    async with running() as ingress:
        await ingress.tell_all(event(number, f"job-{number}") for number in range(1, 1501))
        asked = []
        refused = {"status": 429, "reason": "TooManyRequests", "message": "come later"}

        async def answer(route: Route) -> None:
            asked.append(route.request.url)
            if len(asked) in (2, 3):
                await route.fulfill(status=429, json=refused, headers={"Retry-After": "1"})
            else:
                await route.continue_()

        await watched.page.route("**/api/v1/jobs?*cursor*", answer)
        page = await opened(watched, ingress)
        await expect(page.get_by_role("table", name="Jobs")).to_have_attribute("aria-rowcount", "1501")
        await page.reload()
        await expect(page.locator("#none")).to_be_hidden()
        await expect(page.get_by_role("table", name="Jobs")).to_have_attribute("aria-rowcount", "1501")
        assert len(set(asked)) == 1
        assert len(asked) == 4
