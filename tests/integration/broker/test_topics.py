"""Topics are made where they are missing, and everything wrong with existing ones is said at once, with its cure."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError

from service.broker import Complaint, Topics
from service.broker.topics import Topic, complaints_about
from service.settings import KafkaSettings, TopicSettings

WINDOW_MS = 7 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000


def no_replicas(*names: str) -> Complaint:
    alone = ", ".join(sorted(names))
    return Complaint("advice", f"without replicas: {alone}; a lost disk loses records, so move them to 3 replicas")


async def test_missing_topics_are_made_as_the_promises_need_them(kafka: KafkaSettings, names: TopicSettings) -> None:
    several = await asyncio.gather(*(Topics(kafka, names).ensure() for _ in range(3)))

    # one broker has one replica, and that is all there is to say
    assert several == [[no_replicas(names.submissions, names.outcomes, names.dead_letters)]] * 3

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        found = await Topics(kafka, names)._describe(admin)
    finally:
        await admin.close()
    wanted = (
        "cleanup.policy",
        "retention.ms",
        "message.timestamp.type",
        "max.message.bytes",
        "compression.type",
        "segment.ms",
    )
    kept, week = str(WINDOW_MS + DAY_MS), str(7 * DAY_MS)
    assert {
        name: (topic.partitions, *((topic.config or {})[key] for key in wanted)) for name, topic in found.items()
    } == {
        names.submissions: (3, "delete", kept, "LogAppendTime", "1048588", "uncompressed", week),
        names.outcomes: (3, "compact,delete", kept, "LogAppendTime", "1048588", "producer", str(DAY_MS)),
        names.dead_letters: (3, "delete", str(30 * DAY_MS), "LogAppendTime", "2097152", "producer", week),
    }


async def test_topics_made_later_get_the_partitions_of_those_that_are_there(
    kafka: KafkaSettings, names: TopicSettings
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(names.submissions, 5, 1)])
        complaints = await Topics(kafka, names).ensure()
        found = await Topics(kafka, names)._describe(admin)
    finally:
        await admin.close()

    assert {name: topic.partitions for name, topic in found.items()} == {
        names.submissions: 5,
        names.outcomes: 5,
        names.dead_letters: 5,
    }
    # the stranger's topic has the broker's defaults: seven days, which is the window, and the producers' times
    assert [complaint for complaint in complaints if complaint.severity == "fault"] == [
        Complaint(
            "fault",
            f"topic {names.submissions} takes the producers' word for the age of records: kafka-configs.sh --alter "
            f"--entity-type topics --entity-name {names.submissions} --add-config message.timestamp.type=LogAppendTime",
        )
    ]


async def test_a_batch_that_unpacks_to_more_than_a_record_may_have_is_refused_by_the_brokers(
    kafka: KafkaSettings, topics: TopicSettings
) -> None:
    bomb = b"\0" * 10_000_000
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers,
        compression_type="gzip",
        max_request_size=len(bomb) * 2,
        max_batch_size=len(bomb) * 2,
    ) as client:
        await client.send_and_wait(topics.outcomes, bomb, b"key")  # compressed it is small enough anywhere else
        with pytest.raises(MessageSizeTooLargeError):
            await client.send_and_wait(topics.submissions, bomb)


async def test_nothing_is_made_where_that_is_switched_off(kafka: KafkaSettings, names: TopicSettings) -> None:
    complaints = await Topics(kafka, names.model_copy(update={"create": False})).ensure()

    missing = "is missing, or this user may not describe it, and creating topics is switched off"
    assert complaints == [
        Complaint("fault", f"topic {name} {missing}")
        for name in (names.submissions, names.outcomes, names.dead_letters)
    ]


GOOD = {"cleanup.policy": "delete", "retention.ms": str(WINDOW_MS), "message.timestamp.type": "LogAppendTime"}
SAFE = GOOD | {"min.insync.replicas": "2", "compression.type": "uncompressed"}
COMPACT = SAFE | {"cleanup.policy": "compact,delete"}


def alter(name: str, entry: str) -> str:
    return f"kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {entry}"


@pytest.mark.parametrize(
    ("found", "complaints"),
    [
        ([Topic("job-submissions", 6, 3, SAFE), Topic("job-outcomes", 6, 3, COMPACT)], []),
        ([Topic("job-outcomes", 6, 3, COMPACT | {"cleanup.policy": "compact"})], []),
        ([Topic("job-submissions", 6, 3, SAFE | {"retention.ms": "-1"})], []),
        (
            [Topic("job-outcomes", 6, 3, SAFE)],
            [
                (
                    "fault",
                    "topic job-outcomes is not compacted: " + alter("job-outcomes", "cleanup.policy=[compact,delete]"),
                )
            ],
        ),
        (
            [Topic("job-submissions", 6, 3, COMPACT)],
            [
                (
                    "fault",
                    "topic job-submissions is compacted, which removes submissions that share a key: "
                    + alter("job-submissions", "cleanup.policy=delete"),
                )
            ],
        ),
        (
            [Topic("job-submissions", 6, 3, SAFE | {"retention.ms": "1000"})],
            [
                (
                    "fault",
                    f"topic job-submissions keeps records for 1000 ms, less than the duplicate window of {WINDOW_MS} "
                    "ms: " + alter("job-submissions", f"retention.ms={WINDOW_MS + DAY_MS}"),
                )
            ],
        ),
        (
            [Topic("job-submissions", 6, 3, SAFE | {"min.insync.replicas": "1"})],
            [
                (
                    "advice",
                    "topic job-submissions acknowledges records that stand on one broker only: "
                    + alter("job-submissions", "min.insync.replicas=2"),
                )
            ],
        ),
        (
            [Topic("job-submissions", 6, 3, SAFE | {"compression.type": "producer"})],
            [
                (
                    "advice",
                    "topic job-submissions takes batches as their producers compressed them, and a small one may "
                    "unpack to gigabytes: " + alter("job-submissions", "compression.type=uncompressed"),
                )
            ],
        ),
        (
            [Topic("job-submissions", 6, 3, SAFE), Topic("job-outcomes", 3, 3, COMPACT)],
            [
                (
                    "fault",
                    (
                        "topic job-outcomes has 3 partitions, fewer than the 6 of job-submissions: outcomes of the "
                        "others cannot be written; kafka-topics.sh --alter --topic job-outcomes --partitions 6"
                    ),
                )
            ],
        ),
        (
            [Topic("job-outcomes", 6, 3, None)],
            [("advice", "the configuration of topic job-outcomes may not be read, so it was not checked")],
        ),
    ],
)
def test_complaints(found: list[Topic], complaints: list[tuple[str, str]]) -> None:
    about = complaints_about(TopicSettings(), {topic.name: topic for topic in found})

    assert [(complaint.severity, complaint.text) for complaint in about] == complaints
