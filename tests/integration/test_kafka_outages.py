"""What the service says of itself while Kafka is away, or a topic is."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from devstack.kafka import LocalKafka
from devstack.service import ServiceProcess


@pytest.fixture(scope="module")
def broker(kafka_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def settings(environment: dict[str, str], broker: LocalKafka) -> dict[str, str]:
    return environment | {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, "KAFKA_REQUEST_TIMEOUT_SECONDS": "3"}


def readiness(service: ServiceProcess) -> tuple[int, dict[str, bool]]:
    try:
        with urllib.request.urlopen(f"{service.probes}/readyz", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("role", ["ingress", "consumer"])
async def test_beside_a_broker_that_hangs_no_role_is_ready(
    role: str, broker: LocalKafka, settings: dict[str, str], api: Any
) -> None:
    """An ingress said ready for two minutes, until a POST had waited its time-out."""
    service = ServiceProcess(role, settings)
    try:
        await asyncio.to_thread(service.until_ready)
        await until(lambda: "job_submission_kafka_up 1.0" in service.metrics())
        broker.pause()
        try:
            await until(lambda: readiness(service)[0] == 503)
            assert readiness(service)[1]["kafka"] is False
            assert "job_submission_kafka_up 0.0" in service.metrics()
        finally:
            broker.resume()
        await until(lambda: readiness(service)[0] == 200)
        await until(lambda: "job_submission_kafka_up 1.0" in service.metrics())
    finally:
        assert await asyncio.to_thread(service.stop) == 0


async def test_a_topic_that_is_deleted_is_told_in_few_lines_and_the_service_goes_on_once_it_is_back(
    broker: LocalKafka, settings: dict[str, str], api: Any, post: Any
) -> None:
    """It made 1,400 lines a second, and was ready without partitions then."""
    service = ServiceProcess("all", settings | {"HTTP_WAIT_SECONDS": "20"})
    try:
        await asyncio.to_thread(service.until_ready)
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
        await admin.start()
        await admin.delete_topics([settings["TOPICS_SUBMISSIONS"]])
        await admin.close()
        await until(lambda: readiness(service)[0] == 503)
        refused = await post({"job": {"project": "team-a", "image": "x"}}, url=service.url)
        assert refused.status == 503
        await asyncio.to_thread(service.wait_for, "topics-missing", topics=[settings["TOPICS_SUBMISSIONS"]])
        await until(lambda: readiness(service)[0] == 200)
        answer = await post({"job": {"project": "team-a", "image": "x"}}, url=service.url)
        assert answer.status == 200
        assert len(service.lines) < 100
    finally:
        assert await asyncio.to_thread(service.stop) == 0
