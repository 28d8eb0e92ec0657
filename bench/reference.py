"""The references: the least one can do to create Jobs, and to pass a record through Kafka."""

import asyncio
import contextlib
import ssl
import time
import uuid
from collections.abc import AsyncIterator

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from bench.jobs import BODY, NAMESPACE, manifests
from bench.load import Load, at_random
from bench.stack import Stack

CONCURRENCIES = (8, 16, 32, 64, 128)


class BareClient:
    """A loop that creates Jobs with aiohttp and nothing else; also notes the CPU seconds of this process."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._manifests = manifests()
        self.concurrency = 32

    async def calibrate(self, count: int) -> None:
        """Find the best of several concurrencies."""
        rates = {number: (await self._run(count, number)).rate for number in CONCURRENCIES}
        self.concurrency = max(rates, key=rates.__getitem__)

    async def run(self, count: int) -> tuple[float, float]:
        """Create `count` Jobs; return Jobs a second and CPU seconds a Job."""
        cpu = time.process_time()
        load = await self._run(count, self.concurrency)
        return load.rate, (time.process_time() - cpu) / count

    async def _run(self, count: int, concurrency: int) -> Load:
        load, left = Load(), iter(range(count))

        async def work() -> None:
            for _ in left:
                await self._create(load, time.perf_counter())

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        load.seconds = time.perf_counter() - started
        return load.expect(201)

    async def one_by_one(self, rate: float, seconds: float) -> Load:
        """Create Jobs at random times, `rate` a second on average, for their latency at a light load."""
        load, started = Load(), time.perf_counter()
        tasks = [asyncio.create_task(self._create(load, due)) async for due in at_random(rate, seconds)]
        await asyncio.gather(*tasks)
        load.seconds = time.perf_counter() - started
        return load.expect(201)

    async def try_create(self) -> bool:
        """Create a Job; False where there is no API server, or one that cannot do it yet."""
        try:
            async with self._session.post(self._url, data=orjson.dumps(next(self._manifests))) as response:
                return response.status == 201
        except aiohttp.ClientError:
            return False

    async def _create(self, load: Load, due: float) -> None:
        data = orjson.dumps(next(self._manifests))
        async with self._session.post(self._url, data=data) as response:
            await response.read()
            load.statuses[response.status] += 1
        load.latencies.append(time.perf_counter() - due)


@contextlib.asynccontextmanager
async def bare_client(stack: Stack) -> AsyncIterator[BareClient]:
    """Give a client of the stack's API server."""
    api = stack.cluster.api
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=str(api.ca_file)))
    headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield BareClient(session, f"{api.url}/apis/batch/v1/namespaces/{NAMESPACE}/jobs")


async def produce_and_consume(stack: Stack, rate: float, seconds: float) -> list[float]:
    """Return the seconds that records take, `rate` a second, from a plain producer to a plain consumer."""
    topic, latencies = f"bare-{uuid.uuid4().hex}", list[float]()
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap_servers, acks="all")
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka.bootstrap_servers, auto_offset_reset="earliest")
    await make_topic(stack, topic)
    async with producer, consumer:
        consumer.assign([TopicPartition(topic, 0)])

        async def consume() -> None:
            async for message in consumer:
                if message.key is None:
                    return
                latencies.append(time.perf_counter() - float(message.key))

        consuming = asyncio.create_task(consume())
        async for due in at_random(rate, seconds):
            await producer.send(topic, BODY, str(due).encode())
        await producer.send(topic, b"the last")
        await consuming
    return latencies


async def make_topic(stack: Stack, topic: str) -> None:
    """Make a topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()
