"""A member of the group as a test sees it, and records for it to read."""

import asyncio
from collections.abc import Callable

from aiokafka import AIOKafkaProducer

from service.broker import SubmissionSource
from service.submission.records import Record


class Member:
    """A member of the group that notes what happens to it."""

    def __init__(self, source: SubmissionSource) -> None:
        self.source = source
        self.events: list[tuple[str, list[int]]] = []
        self.owned: set[int] = set()
        self.records: dict[int, list[Record]] = {}
        self.rounds: list[dict[int, int]] = []
        self.on_revoked: Callable[[list[int]], object] | None = None

    async def _assigned(self, partitions: list[int]) -> None:
        self.events.append(("assigned", sorted(partitions)))
        self.owned = set(partitions)

    async def _revoked(self, partitions: list[int]) -> None:
        self.events.append(("revoked", sorted(partitions)))
        if self.on_revoked is not None:
            await self.on_revoked(partitions)  # type: ignore[misc]
        self.owned -= set(partitions)

    async def join(self) -> "Member":
        await self.source.start(self._assigned, self._revoked)
        return self

    async def fetch(self, max_records: int = 32) -> dict[int, list[Record]]:
        fetched = await self.source.fetch(max_records, 0.2)
        assert fetched.keys() <= self.owned
        if fetched:
            self.rounds.append({partition: len(records) for partition, records in fetched.items()})
        for partition, records in fetched.items():
            self.records.setdefault(partition, []).extend(records)
        return fetched

    async def fetch_until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await self.fetch()

    def offsets(self, partition: int) -> list[int]:
        return [record.offset for record in self.records.get(partition, [])]


async def fill(stranger: AIOKafkaProducer, topic: str, partition: int, count: int) -> None:
    sent = [await stranger.send(topic, b"%d" % number, b"key", partition) for number in range(count)]
    await asyncio.gather(*sent)
