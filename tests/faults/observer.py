"""What the suite sees of a run, by ways that no fault of the run touches: the store, and the topics themselves."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord, TopicPartition

from devstack.api import AdminApi
from service.broker.patches import close
from tests.faults.etcd import Etcd
from tests.faults.fleet import PARTITIONS
from tests.faults.ledger import Ledger, mark_of, uid_of

LONGEST_LIFE_SECONDS: Final = 0.5
"""How long a Job with a short TTL lives at most before the suite, as the TTL controller, deletes it."""

SHARE_OF_ENDS: Final = 0.7
"""How many of the Jobs end, where they are to."""

_STORED = {"persistentvolumeclaims": "persistentvolumeclaims", "services": "services/specs", "ingresses": "ingress"}


def ended(succeeded: bool) -> dict[str, Any]:
    """Return the status of a Job that has ended."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kinds = ("SuccessCriteriaMet", "Complete") if succeeded else ("FailureTarget", "Failed")
    conditions = [
        {"type": kind, "status": "True", "reason": "Faults", "message": "", "lastTransitionTime": now} for kind in kinds
    ]
    done = {"succeeded": 1, "completionTime": now} if succeeded else {"failed": 1}
    return {"startTime": now, "conditions": conditions, "uncountedTerminatedPods": {}, **done}


class JobWatch:
    """Notes every Job ever created in some namespaces, and deletes those that are short-lived.

    Where Jobs are to `end`, it also plays the Job controller for most of them.
    """

    def __init__(
        self, etcd: Etcd, api: AdminApi, namespaces: list[str], ledger: Ledger, seed: int, *, end: bool = False
    ) -> None:
        self._etcd = etcd
        self._api = api
        self._namespaces = namespaces
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._short: set[str] = set()
        self._marks: dict[str, str] = {}
        self._wiping = False
        self._end = end
        self.alive: dict[str, str] = {}
        """The uids of the Jobs that are there, by their keys in the store."""

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
                    self.alive.pop(event.key, None)
                    self._short.discard(f"{namespace}/{name}")
                    self._note_deletion(event.key, name)
                mark = mark_of(event.value)
                entry = self._ledger.entries.get(mark or "")
                if entry is None or not event.is_creation:
                    continue
                entry.jobs.append(name)
                self._marks[event.key] = mark or ""
                self.alive[event.key] = uid_of(event.value)
                if entry.is_short:
                    self._short.add(f"{namespace}/{name}")
                if entry.is_short or self._end:
                    tasks.create_task(self._play(namespace, name, session, collect=entry.is_short))

    def _note_deletion(self, key: str, name: str) -> None:
        entry = self._ledger.entries.get(self._marks.pop(key, ""))
        if entry is not None and not self._wiping:
            entry.deleted.append(name)

    async def _play(self, namespace: str, name: str, session: aiohttp.ClientSession, *, collect: bool) -> None:
        """End a Job as the Job controller does, and delete it as the TTL controller does, in the background."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
        await asyncio.sleep(self._chance.uniform(0, LONGEST_LIFE_SECONDS))
        if self._end and self._chance.random() < SHARE_OF_ENDS:
            await self._until_done(session, "PATCH", f"{path}/status", {"status": ended(self._chance.random() < 0.5)})
        if collect:
            await self._until_done(session, "DELETE", f"{path}?propagationPolicy=Background", None)

    async def _until_done(self, session: aiohttp.ClientSession, method: str, path: str, body: Any) -> None:
        headers = {"Authorization": f"Bearer {self._api.token}", "Content-Type": "application/merge-patch+json"}
        data = None if body is None else orjson.dumps(body)
        while True:
            try:
                async with session.request(
                    method, self._api.url + path, data=data, headers=headers, timeout=aiohttp.ClientTimeout(total=5)
                ) as answer:
                    if answer.status in (200, 202, 404):
                        return
                    assert answer.status != 422, await answer.text()
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
        """Delete every object, as if all Jobs were finished and collected long ago."""
        self._wiping = True
        for namespace in self._namespaces:
            await self._etcd.delete_each(f"/registry/jobs/{namespace}/")
            await self._etcd.delete(*(f"/registry/{stored}/{namespace}/" for stored in _STORED.values()))


class Topics:
    """The topics of one run, read without being a member of any group that matters."""

    def __init__(self, bootstrap_servers: str, run: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self.submissions, self.outcomes, self.dead_letters, self.job_events = self._all = [
            f"{topic}-{run}" for topic in ("submissions", "outcomes", "dead-letters", "job-events")
        ]

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
            await admin.delete_topics(self._all)
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
