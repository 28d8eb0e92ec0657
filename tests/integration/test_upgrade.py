"""An upgrade from the first release while clients POST: both versions at the same topics and the same cluster.

Consumers of the two do not share the group: one of today's is refused until the last old one has left.
"""

import asyncio
import itertools
import json
import uuid

import aiohttp
import pytest

from devstack.service import ServiceProcess
from tests.upgrade.first_release import first_release

PAUSE_SECONDS = 0.2
"""Between two POSTs of a client: a few hundred Jobs in all, which the API server deletes by one request in time."""


class Release:
    """Processes of either version, and clients that POST to the ingresses in `addresses`, each key once."""

    def __init__(self, settings, project):
        self.settings = settings
        self.project = project
        self.running = []
        self.addresses = []
        self.answers = []
        self.over = asyncio.Event()

    async def start(self, version, role):
        process = version(role, self.settings)
        self.running.append(process)
        return process

    async def ready(self, version, role):
        process = await self.start(version, role)
        return await asyncio.to_thread(process.until_ready)

    async def stop(self, *processes):
        for process in processes:
            self.running.remove(process)
            assert await asyncio.to_thread(process.stop) == 0

    async def post(self, session, address, key):
        body = {"job": {"project": self.project, "image": "quickstart", "arguments": [key]}}
        headers = {"RA-USER": "john", "Content-Type": "application/json", "Idempotency-Key": key}
        async with session.post(f"{address}/api/job", data=json.dumps(body), headers=headers) as response:
            return key, response.status, await response.json()

    async def client(self, session, number):
        for count in itertools.count():
            if self.over.is_set():
                return
            address = self.addresses[count % len(self.addresses)]
            self.answers.append(await self.post(session, address, f"{number}-{count}"))
            await asyncio.sleep(PAUSE_SECONDS)

    async def more_answers(self, count=6):
        wanted = len(self.answers) + count
        async with asyncio.timeout(60):
            while len(self.answers) < wanted:
                await asyncio.sleep(0.05)


@pytest.fixture
async def release(environment, api):
    run = uuid.uuid4().hex[:8]
    await api.ensure_namespace(f"runai-{run}")
    own = {
        "TOPICS_SUBMISSIONS": f"submissions-{run}",
        "TOPICS_OUTCOMES": f"outcomes-{run}",
        "CONSUMER_GROUP": f"group-{run}",
    }
    release = Release(environment | own, run)
    yield release
    await release.stop(*release.running)


async def upgrade(release, session):
    """Put today's processes in the place of those of the first release, one after the other."""
    old, old_ingress = await asyncio.gather(*(release.ready(first_release, role) for role in ("consumer", "ingress")))
    release.addresses.append(old_ingress.url)
    async with asyncio.TaskGroup() as clients:
        for number in range(3):
            clients.create_task(release.client(session, number))
        await release.more_answers()
        new, ingress = await asyncio.gather(
            release.start(ServiceProcess, "consumer"), release.ready(ServiceProcess, "ingress")
        )
        release.addresses.append(ingress.url)
        await asyncio.to_thread(new.wait_for, "group-refused")
        await release.more_answers()  # the old one does all the work, for either ingress
        await release.stop(old)
        await asyncio.to_thread(new.until_ready)
        await release.more_answers()
        release.addresses.remove(old_ingress.url)
        await release.more_answers()
        release.over.set()


async def test_an_upgrade_from_the_first_release_loses_and_doubles_nothing(release, api):
    jobs = f"/apis/batch/v1/namespaces/runai-{release.project}/jobs"
    async with aiohttp.ClientSession() as session:
        await upgrade(release, session)
        assert [answer for answer in release.answers if answer[1] != 200] == []
        names = {key: body["name"] for key, _, body in release.answers}
        _, made = await api.request("GET", jobs)
        assert sorted(job["metadata"]["name"] for job in made["items"]) == sorted(names.values())

        # what the first release has done is known, also when its Jobs are gone
        assert (await api.request("DELETE", f"{jobs}?propagationPolicy=Background"))[0] == 200
        again = [await release.post(session, release.addresses[0], key) for key in names]
        assert {key: body["name"] for key, _, body in again} == names
    _, made = await api.request("GET", jobs)
    assert made["items"] == []
