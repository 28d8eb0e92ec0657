"""A running service on real servers, and ways to look at what it did."""

import asyncio
import json
import urllib.error
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from devstack.api import AdminApi
from devstack.service import ServiceProcess

if TYPE_CHECKING:
    from tests.servers import ClusterServer, KafkaServer

PROJECTS = ("team-a", "team-b")


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: Any
    headers: dict[str, str]
    warnings: list[str]


class Api:
    """An administrator's eyes and hands on the API server."""

    def __init__(self, admin: AdminApi) -> None:
        self._admin = admin

    async def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        try:
            return 200, await asyncio.to_thread(self._admin.request, method, path, body)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    async def job(self, name: str, namespace: str = "runai-team-a") -> dict[str, Any]:
        status, body = await self.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}")
        assert status == 200, body
        return body

    async def ensure_namespace(self, name: str, labels: dict[str, str] | None = None) -> None:
        status, body = await self.request(
            "POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels or {}}}
        )
        assert status in (200, 409), body


@pytest.fixture
async def api(cluster_server: "ClusterServer") -> Api:
    client = Api(cluster_server.api)
    for project in PROJECTS:
        await client.ensure_namespace(f"runai-{project}")
    return client


@pytest.fixture(scope="session")
def environment(kafka_server: "KafkaServer", cluster_server: "ClusterServer") -> dict[str, str]:
    """Settings of a service that shares nothing with other test runs."""
    run = uuid.uuid4().hex[:8]
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers,
        "KUBE_CONFIG_FILE": str(cluster_server.kubeconfig),
        "TOPICS_SUBMISSIONS": f"submissions-{run}",
        "TOPICS_OUTCOMES": f"outcomes-{run}",
        "TOPICS_DEAD_LETTERS": f"dead-letters-{run}",
        "TOPICS_JOB_EVENTS": f"job-events-{run}",
        "CONSUMER_GROUP": f"group-{run}",
        "WATCHER_GROUP": f"watcher-{run}",
        "WATCHER_NAMESPACES": ",".join(f"runai-{project}" for project in PROJECTS),  # the cluster is shared
    }


@pytest.fixture(scope="session")
def service(environment: dict[str, str]) -> Iterator[ServiceProcess]:
    """Both roles in one process."""
    process = ServiceProcess("all", environment)
    try:
        yield process.until_ready()
    finally:
        assert process.stop() == 0


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def post(service: ServiceProcess, http: aiohttp.ClientSession) -> Any:
    """POST a body (bytes or an object) as user john, unless told otherwise."""

    async def send(body: Any, path: str = "/api/job", url: str | None = None, **headers: str | None) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"RA-USER": "john", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value is not None}
        async with http.post((url or service.url) + path, data=data, headers=sent) as response:
            text = await response.read()
            return Answer(
                response.status,
                json.loads(text) if text else None,
                dict(response.headers),
                response.headers.getall("Warning", []),
            )

    return send


@dataclass
class Topic:
    """A stranger's producer, and a consumer of everything on the outcomes topic."""

    submissions: str
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer

    async def send(self, value: bytes | None, headers: dict[str, bytes] | None = None, **where: Any) -> Any:
        return await self.producer.send_and_wait(
            self.submissions, value, headers=list((headers or {}).items()), **where
        )

    async def outcome(self, key: str) -> Any:
        """Return the first outcome with this key, waiting for it."""
        async with asyncio.timeout(30):
            async for record in self.consumer:
                if record.key == key.encode():
                    return record
        raise AssertionError


@pytest.fixture
async def topic(service: ServiceProcess, environment: dict[str, str]) -> AsyncIterator[Topic]:
    servers = environment["KAFKA_BOOTSTRAP_SERVERS"]
    consumer = AIOKafkaConsumer(environment["TOPICS_OUTCOMES"], bootstrap_servers=servers, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await consumer.start()
    await producer.start()
    yield Topic(environment["TOPICS_SUBMISSIONS"], producer, consumer)
    await producer.stop()
    await consumer.stop()
