"""What the clients of a run do: producers and HTTP clients side by side, impatient, repetitive, and of all manners.

Every submission is made up from the seed before the run begins. Clients behave as the documentation tells them to: one
with an id of its own tries again until it is told, one without tries once.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from service.broker.patches import discard
from tests.faults.ledger import Answer, Entry

USER: Final = "chaos"
PROJECTS: Final = ("a", "b")
SHORT_TTL: Final = "5s"
PATIENCE_SECONDS: Final = 60
"""How long a client with an id goes on trying."""
PATIENT_SECONDS: Final = 15
"""How long a patient client waits for an answer: longer than any answer may take (`HTTP_WAIT_SECONDS` is 8)."""
PRODUCE_SECONDS: Final = 8
"""How long a producer waits for an acknowledgement."""
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 3
"""How long a client rests at most between two tries, which double from the first."""
RETRY_STATUSES: Final = (429, 503)


@dataclass(frozen=True, slots=True)
class Item:
    """One submission: its body, the way it goes, and what is expected of it.

    `project` and `name` are those in the body, `id` is its `ce_id` or `Idempotency-Key`, None for a client that has
    none. `times` is how often it is sent, `timeout` how many seconds an HTTP client waits before it hangs up and asks
    again.
    """

    mark: str
    via: str
    project: str
    name: str | None
    id: str | None
    body: bytes
    times: int
    timeout: float
    entry: Entry


def make_items(run: str, seed: int, count: int, *, times: int | None = None) -> list[Item]:
    """Make up the submissions of a run; `times` overrides how often those with an id are sent."""
    chance = random.Random(f"items-{seed}")
    return [_item(f"mark-{run}-{number:05d}", chance, times) for number in range(count)]


def _item(mark: str, chance: random.Random, times: int | None) -> Item:
    via = chance.choices(("http", "topic"), (45, 55))[0]
    has_id = chance.random() < (0.8 if via == "http" else 0.65)
    job: dict[str, Any] = {
        "project": chance.choice(PROJECTS),
        "image": "quickstart",
        "environment": {"MARK": mark},
    }
    entry = Entry()
    kind = chance.choices(
        ("plain", "short", "named", "claims", "service", "everything", "invalid", "homeless"),
        (50, 14, 8, 8, 6, 4, 5, 5),
    )[0]
    if kind in ("short", "everything"):
        job["ttlAfterFinish"] = SHORT_TTL
        entry.is_short = True
    if kind in ("named", "everything"):
        job["name"] = "given-" + mark
    if kind in ("claims", "everything"):
        entry.claims = chance.randint(1, 2)
        job["pvc"] = [{"size": "1GB", "path": f"/data/{number}"} for number in range(entry.claims)]
    if kind in ("service", "everything"):
        entry.services = 1
        job |= {"ports": [{"container": 8080}], "serviceType": "ingress"}
    if kind == "invalid":
        via, entry.status = "topic", 400  # over HTTP it would not reach the topic
        job["gpus"] = 1
    if kind == "homeless":
        entry.status = 404
        job["project"] = "nowhere"
    own_id = f"id-{mark}" if has_id else None
    repeated = times or chance.choices((1, 2, 3), (75, 15, 10))[0]
    return Item(
        mark=mark,
        via=via,
        project=job["project"],
        name=job.get("name"),
        id=own_id,
        body=orjson.dumps({"job": job}),
        times=repeated if own_id else 1,
        timeout=chance.choice((0.5, 3, PATIENT_SECONDS, PATIENT_SECONDS)),
        entry=entry,
    )


class Clients:
    """Sends the items and notes in their entries what the service promised."""

    def __init__(self, bootstrap_servers: str, topic: str, url: Callable[[], str], chance: random.Random) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._url = url
        self._chance = chance
        self.ahead_seconds = 0.0
        """How far the clock of the producers is ahead, which is what they stamp their records with."""
        self._producer: Any = None
        self._starting = asyncio.Lock()
        self._partitions = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Disconnect at the end of the block; a producer is connected when the first record is sent."""
        try:
            yield
        finally:
            await self._give_up(self._producer)

    def starts(self, items: Iterable[Item], seconds: float) -> dict[str, float]:
        """Choose when each item is sent for the first time, within `seconds`."""
        return {item.mark: self._chance.uniform(0, seconds) for item in items}

    async def send(self, items: Iterable[Item], starts: dict[str, float], seconds: float) -> None:
        """Send all items, each first at its start and again within `seconds`, and wait until every client is done."""
        items = list(items)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as clients:
            for item in items:
                for time in range(item.times):
                    after = self._chance.uniform(0, seconds) if time else starts[item.mark]
                    clients.create_task(self._client(session, item, after))

    async def _client(self, session: aiohttp.ClientSession, item: Item, after: float) -> None:
        await asyncio.sleep(after)
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while not await self._try(session, item):
            if item.id is None or asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(self._chance.uniform(0, pause))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _try(self, session: aiohttp.ClientSession, item: Item) -> bool:
        """Send once; True when the client has been told what it wanted to know."""
        return await (self._produce(item) if item.via == "topic" else self._post(session, item))

    async def _post(self, session: aiohttp.ClientSession, item: Item) -> bool:
        """Post once; True when the service has answered for good."""
        headers = {"Content-Type": "application/json", "RA-USER": USER}
        if item.id is not None:
            headers["Idempotency-Key"] = item.id
        try:
            async with session.post(
                self._url(), data=item.body, headers=headers, timeout=aiohttp.ClientTimeout(total=item.timeout)
            ) as response:
                body = await response.read()
        except TimeoutError:
            item.entry.hangs += item.timeout == PATIENT_SECONDS
            return False
        except (aiohttp.ClientError, OSError):
            return False
        if response.status in RETRY_STATUSES:
            return False
        item.entry.acknowledged |= response.status // 100 == 2
        if response.status != 202:
            item.entry.replies.append(Answer(response.status, body))
        return True

    async def _produce(self, item: Item) -> bool:
        """Produce once; True when Kafka has acknowledged it."""
        headers = [] if item.id is None else [("ce_id", item.id.encode()), ("ce_source", b"/faults")]
        key = self._chance.choice((None, item.mark.encode(), b"the same for many"))
        item.entry.acknowledged |= (acknowledged := await self.produce(item.body, key, headers))
        return acknowledged

    async def produce(self, value: bytes, key: bytes | None, headers: list[tuple[str, bytes]]) -> bool:
        """Produce a record once; True when Kafka has acknowledged it."""
        try:
            producer = await self._connected()
        except (KafkaError, OSError):
            return False
        try:
            # a producer that was given up leaves some of its records without an answer
            async with asyncio.timeout(PRODUCE_SECONDS):
                stamp = int((time.time() + self.ahead_seconds) * 1000) if self.ahead_seconds else None
                await producer.send_and_wait(self._topic, value, key=key, headers=headers, timestamp_ms=stamp)
        except (KafkaError, OSError):
            await self._give_up(producer)
            return False
        return True

    async def _connected(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                # idempotent: a record without an id that the client writes twice would be two submissions
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap_servers,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=2,
                    request_timeout_ms=5_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await discard(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _give_up(self, producer: AIOKafkaProducer | None) -> None:
        """Have the next one connect anew: an idempotent producer is done for after a lost record."""
        if producer is None or self._producer is not producer:
            return  # another client was quicker
        self._producer = None
        await discard(producer)
