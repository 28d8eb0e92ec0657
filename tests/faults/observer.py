"""What the suite sees of a run, by ways that no fault of the run touches: the store, and the topics themselves."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord, TopicPartition

from devstack.api import AdminApi
from service.broker.patches import close
from tests.faults.etcd import Etcd
from tests.faults.fleet import PARTITIONS
from tests.faults.ledger import Ledger, mark_of

LONGEST_LIFE_SECONDS: Final = 0.5
"""How long a Job with a short TTL lives at most before the suite, as the TTL controller, deletes it."""

_STORED = {"persistentvolumeclaims": "persistentvolumeclaims", "services": "services/specs", "ingresses": "ingress"}


class JobWatch:
    """Notes every Job ever created in some namespaces, and deletes those that are short-lived."""

    def __init__(self, etcd: Etcd, api: AdminApi, namespaces: list[str], ledger: Ledger, seed: int) -> None:
        self._etcd = etcd
        self._api = api
        self._namespaces = namespaces
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._short: set[str] = set()
        self._marks: dict[str, str] = {}
        self._wiping = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch from now on, while the block runs."""
        revision = await self._etcd.revision()
        tls = ssl.create_default_context(cafile=str(self._api.ca_file))
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            watches = [tasks.create_task(self._watch(each, revision, session, tasks)) for each in self._namespaces]
            yield
            for watch in watches:
                watch.cancel()

    async def _watch(
        self, namespace: str, revision: int, session: aiohttp.ClientSession, tasks: asyncio.TaskGroup
    ) -> None:
        async for events in self._etcd.watch(f"/registry/jobs/{namespace}/", revision):
            for event in events:
                name = event.key.rpartition("/")[2]
                if event.is_deletion:
                    self._short.discard(f"{namespace}/{name}")
                    self._note_deletion(event.key, name)
                mark = mark_of(event.value)
                entry = self._ledger.entries.get(mark or "")
                if entry is None or not event.is_creation:
                    continue
                entry.jobs.append(name)
                self._marks[event.key] = mark or ""
                if entry.is_short:
                    self._short.add(f"{namespace}/{name}")
                    tasks.create_task(self._collect(namespace, name, session))

    def _note_deletion(self, key: str, name: str) -> None:
        entry = self._ledger.entries.get(self._marks.pop(key, ""))
        if entry is not None and not self._wiping:
            entry.deleted.append(name)

    async def _collect(self, namespace: str, name: str, session: aiohttp.ClientSession) -> None:
        """Delete a Job as the TTL controller does, in the background."""
        await asyncio.sleep(self._chance.uniform(0, LONGEST_LIFE_SECONDS))
        url = f"{self._api.url}/apis/batch/v1/namespaces/{namespace}/jobs/{name}?propagationPolicy=Background"
        while True:
            try:
                headers = {"Authorization": f"Bearer {self._api.token}"}
                async with session.delete(url, headers=headers, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                    if answer.status in (200, 202, 404):
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.2)

    async def until_collected(self, seconds: float) -> list[str]:
        """Wait until no short-lived Job is left; return those that are left after all."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._short:
                    await asyncio.sleep(0.05)
        return sorted(self._short)

    async def dependents(self) -> set[str]:
        """Return `resource/name` of every claim, Service and Ingress there is."""
        return {
            f"{resource}/{key.rpartition('/')[2]}"
            for namespace in self._namespaces
            for resource, stored in _STORED.items()
            for key in await self._etcd.keys(f"/registry/{stored}/{namespace}/")
        }

    async def wipe(self) -> None:
        """Delete every object at once, as if all Jobs were finished and collected long ago."""
        self._wiping = True
        for namespace in self._namespaces:
            await self._etcd.delete(*(f"/registry/{stored}/{namespace}/" for stored in ("jobs", *_STORED.values())))


class Topics:
    """The topics of one run, read without being a member of any group that matters."""

    def __init__(self, bootstrap_servers: str, run: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self.submissions, self.outcomes, self.dead_letters = (
            f"{topic}-{run}" for topic in ("submissions", "outcomes", "dead-letters")
        )

    async def until_committed(self, group: str, seconds: float) -> list[str]:
        """Wait until `group` has committed everything there is; return the partitions where it has not in time."""
        async with self._consumer(group) as consumer:
            places = _places(self.submissions)
            consumer.assign(places)
            deadline = asyncio.get_running_loop().time() + seconds
            while True:
                ends = await consumer.end_offsets(places)
                behind = [
                    f"partition {place.partition}: committed {committed} of {ends[place]}"
                    for place in places
                    if (committed := await consumer.committed(place) or 0) < ends[place]
                ]
                if not behind or asyncio.get_running_loop().time() > deadline:
                    return behind
                await asyncio.sleep(0.2)

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Return all records of a topic."""
        records: list[ConsumerRecord] = []
        async with self._consumer(None) as consumer:
            places = _places(topic)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
        return records

    async def delete(self) -> None:
        """Delete the topics."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers)
        await admin.start()
        try:
            await admin.delete_topics([self.submissions, self.outcomes, self.dead_letters])
        finally:
            await admin.close()

    @contextlib.asynccontextmanager
    async def _consumer(self, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap_servers, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            yield consumer
        finally:
            await close(consumer)


def _places(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(PARTITIONS)]
