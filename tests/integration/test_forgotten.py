"""Outcomes that Kafka has deleted: what may have been done is not done again, and nothing else is refused for it."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from devstack.service import ServiceProcess
from service.broker import Topics
from service.settings import KafkaSettings, TopicSettings
from service.submission.identity import SubmissionId, generated_name
from tests.integration.conftest import Api, Topic

if TYPE_CHECKING:
    from tests.servers import KafkaServer

BODY = json.dumps({"job": {"project": "team-a", "image": "quickstart"}}).encode()
WINDOW_SECONDS = 2


@pytest.fixture
def own(environment: dict[str, str]) -> dict[str, str]:
    """Settings of a service with topics of its own and a short window."""
    run = uuid.uuid4().hex[:8]
    return environment | {
        "TOPICS_SUBMISSIONS": f"submissions-{run}",
        "TOPICS_OUTCOMES": f"outcomes-{run}",
        "TOPICS_DEAD_LETTERS": f"dead-letters-{run}",
        "TOPICS_DUPLICATE_WINDOW_SECONDS": str(WINDOW_SECONDS),
    }


@pytest.fixture
async def own_topic(own: dict[str, str], kafka_server: "KafkaServer") -> AsyncIterator[Topic]:
    servers = kafka_server.bootstrap_servers
    topics = TopicSettings(
        submissions=own["TOPICS_SUBMISSIONS"],
        outcomes=own["TOPICS_OUTCOMES"],
        dead_letters=own["TOPICS_DEAD_LETTERS"],
        partitions=1,
    )
    await Topics(KafkaSettings(bootstrap_servers=servers), topics).ensure()
    async with (
        AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer,
        AIOKafkaConsumer(own["TOPICS_OUTCOMES"], bootstrap_servers=servers, auto_offset_reset="earliest") as consumer,
    ):
        yield Topic(own["TOPICS_SUBMISSIONS"], producer, consumer)


async def start(own: dict[str, str]) -> ServiceProcess:
    """Start a consumer of a group of its own, which reads everything from the beginning."""
    return ServiceProcess("consumer", own | {"CONSUMER_GROUP": f"group-{uuid.uuid4().hex[:8]}"}).until_ready()


async def jobs(api: Api, name: str) -> int:
    status, _ = await api.request("GET", f"/apis/batch/v1/namespaces/runai-team-a/jobs/{name}")
    return int(status == 200)


async def until_outcome(own_topic: Topic, own_id: str, status: bytes) -> Any:
    """Return the next outcome of a submission, whatever key it has."""
    async for record in own_topic.consumer:
        headers = dict(record.headers)
        if headers.get("submission-id") == own_id.encode():
            assert headers["status"] == status, record.value
            return record
    raise AssertionError


async def test_what_was_done_and_forgotten_is_refused_and_carried_out_when_it_is_sent_again(
    own: dict[str, str], own_topic: Topic, api: Api, kafka_server: "KafkaServer"
) -> None:
    identity = SubmissionId("/tests", uuid.uuid4().hex)
    headers = {"ce_id": identity.id.encode(), "ce_source": identity.source.encode()}
    name = generated_name(None, identity)

    first = await start(own)
    try:
        await own_topic.send(BODY, headers)
        done = await until_outcome(own_topic, identity.id, b"200")
    finally:
        assert first.stop() == 0
    await api.request("DELETE", f"/apis/batch/v1/namespaces/runai-team-a/jobs/{name}?propagationPolicy=Background")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server.bootstrap_servers)
    await admin.start()
    try:
        everything = RecordsToDelete(before_offset=done.offset + 1)
        await admin.delete_records({TopicPartition(done.topic, 0): everything})
    finally:
        await admin.close()
    while done.timestamp + WINDOW_SECONDS * 1000 > (await own_topic.send(b"no")).timestamp:
        pass  # the brokers' time goes on

    second = await start(own)
    try:
        refused = await until_outcome(own_topic, identity.id, b"410")
        assert refused.key != identity.key.encode()
        assert json.loads(refused.value)["reason"] == "TooOld"
        assert await jobs(api, name) == 0
        assert second.wait_for("outcome")["status"] in (400, 410)

        await own_topic.send(BODY, headers)
        again = await until_outcome(own_topic, identity.id, b"200")
        assert (again.key, json.loads(again.value)) == (identity.key.encode(), {"name": name})
        assert await jobs(api, name) == 1
    finally:
        assert second.stop() == 0
