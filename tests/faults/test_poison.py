"""Whatever bytes are on the topic: each record ends as an outcome or a dead letter, and nothing restarts."""

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord, RecordMetadata

from devstack.service import ServiceProcess
from service.submission.identity import SubmissionId, record_id
from tests.faults.fleet import PARTITIONS
from tests.faults.observer import Topics
from tests.faults.poison import Poison, corpus
from tests.faults.raw import batch, produce

if TYPE_CHECKING:
    from tests.servers import ClusterServer, KafkaServer

SETTLE_SECONDS = 60


@pytest.fixture
def run() -> str:
    return f"p{uuid.uuid4().hex[:7]}"


@pytest.fixture
def consumer(run: str, kafka_server: "KafkaServer", cluster_server: "ClusterServer") -> Iterator[ServiceProcess]:
    cluster_server.api.make_namespace("runai-team-a")
    process = ServiceProcess(
        "consumer",
        {
            "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers,
            "KUBE_CONFIG_FILE": str(cluster_server.kubeconfig),
            "TOPICS_SUBMISSIONS": f"submissions-{run}",
            "TOPICS_OUTCOMES": f"outcomes-{run}",
            "TOPICS_DEAD_LETTERS": f"dead-letters-{run}",
            "TOPICS_PARTITIONS": str(PARTITIONS),
            "CONSUMER_GROUP": f"group-{run}",
        },
    )
    try:
        yield process.until_ready()
    finally:
        process.stop()


@pytest.fixture
async def producer(kafka_server: "KafkaServer") -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_server.bootstrap_servers, acks="all", max_request_size=2_000_000
    )
    await producer.start()
    yield producer
    await producer.stop()


async def test_every_poison_has_its_end(
    run: str, consumer: ServiceProcess, producer: AIOKafkaProducer, kafka_server: "KafkaServer"
) -> None:
    poisons = corpus(run)
    topics = Topics(kafka_server.bootstrap_servers, run)
    places = [await _send(producer, topics.submissions, poison) for poison in poisons]

    assert await topics.until_committed(f"group-{run}", SETTLE_SECONDS) == []
    outcomes = {record.key: record for record in await topics.read(topics.outcomes)}
    letters = {_origin(record): record for record in await topics.read(topics.dead_letters)}

    ends = {poison.name: _end(poison, place, outcomes, letters) for poison, place in zip(poisons, places, strict=True)}
    assert {name: end for name, end in ends.items() if end is not None} == {}
    assert consumer.running
    assert not [line for line in consumer.lines if line.get("action") in ("not-json", "record-stuck", "record-failed")]
    expected = Counter("letter" if poison.status is None else "outcome" for poison in poisons)
    assert (len(letters), len(outcomes)) == (expected["letter"], len(poisons))
    await topics.delete()


async def test_a_record_no_client_library_would_write(
    run: str, consumer: ServiceProcess, producer: AIOKafkaProducer, kafka_server: "KafkaServer"
) -> None:
    """A header whose name is no UTF-8: aiokafka itself stumbles over it (UnicodeDecodeError out of `getmany`)."""
    topics = Topics(kafka_server.bootstrap_servers, run)
    for name in (b"\xff\xfe", b"\xed\xa0\x80"):
        await produce(producer, topics.submissions, 0, batch(b"no", name))
    await producer.send_and_wait(topics.submissions, b"no", partition=0)

    assert await topics.until_committed(f"group-{run}", SETTLE_SECONDS) == []
    assert [dict(record.headers)["status"] for record in await topics.read(topics.outcomes)] == [b"400"] * 3
    assert await topics.read(topics.dead_letters) == []
    assert consumer.running


async def test_what_a_transaction_took_back_is_not_run(
    run: str, consumer: ServiceProcess, kafka_server: "KafkaServer"
) -> None:
    topics = Topics(kafka_server.bootstrap_servers, run)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap_servers, transactional_id=run)
    await producer.start()
    try:
        for value, is_kept in ((b"aborted", False), (b"kept", True), (b"aborted too", False)):
            await producer.begin_transaction()
            await producer.send_and_wait(topics.submissions, value, partition=0)
            await (producer.commit_transaction() if is_kept else producer.abort_transaction())
    finally:
        await producer.stop()
    async with AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap_servers) as plain:
        await plain.send_and_wait(topics.submissions, b"the last", partition=0)

    assert await topics.until_committed(f"group-{run}", SETTLE_SECONDS) == []
    outcomes = await topics.read(topics.outcomes)
    assert [dict(record.headers)["status"] for record in outcomes] == [b"400"] * 2
    assert consumer.running


async def _send(producer: AIOKafkaProducer, topic: str, poison: Poison) -> RecordMetadata:
    # aiokafka takes no record without key and value
    key = b"tombstone" if poison.key is None and poison.value is None else poison.key
    return await producer.send_and_wait(
        topic, poison.value, key=key, headers=list(poison.headers), timestamp_ms=poison.timestamp
    )


def _origin(letter: ConsumerRecord) -> tuple[int, int]:
    headers = dict(letter.headers)
    partition, offset = (headers[f"kafka_dlt-original-{name}"] for name in ("partition", "offset"))
    return int.from_bytes(partition), int.from_bytes(offset)


def _end(
    poison: Poison,
    place: RecordMetadata,
    outcomes: dict[bytes, ConsumerRecord],
    letters: dict[tuple[int, int], ConsumerRecord],
) -> str | None:
    """Say what is wrong with the end of a poison; None when it is as it should be."""
    letter = letters.get((place.partition, place.offset))
    if poison.status is None:
        if letter is None:
            return "no dead letter"
        headers = dict(letter.headers)
        reason = headers["kafka_dlt-exception-message"].decode()
        kept = letter.value == poison.value or (letter.value is None and "left out" in reason)
        ours = (
            headers["kafka_dlt-exception-fqcn"],
            poison.reason in reason,
            kept,
            letter.headers[: len(poison.headers)],
        )
        expected = (b"UnreadableRecord", True, True, tuple(poison.headers))
        if ours != expected:
            return f"a dead letter: {reason}, value kept: {kept}"
    elif letter is not None:
        return f"a dead letter: {dict(letter.headers)['kafka_dlt-exception-message']!r}"
    identity = (
        SubmissionId(*poison.identity)
        if poison.identity
        else record_id(place.topic, place.partition, place.offset, place.timestamp)
    )
    outcome = outcomes.get(identity.key.encode())
    if outcome is None:
        return "no outcome"
    status, body = int(dict(outcome.headers)["status"]), json.loads(outcome.value)
    if status != (poison.status or 400) or poison.reason not in json.dumps(body):
        return f"{status} {json.dumps(body)[:300]}"
    return None
