"""Every way of the settings to talk to a broker and to log in works on a real listener, with no right too many."""

import asyncio

import pytest

from service.broker import Backlog, BrokerUnavailable, OutcomeLog, Producer, SubmissionSource, Topics
from service.metrics import Metrics
from service.naming import SubmissionId
from service.records import NewRecord
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from tests.integration.broker.conftest import until
from tests.secured_kafka import CLUSTER, CREATE, LIMITED, LIMITED_PASSWORD, NOBODY, SecuredKafka, documented_rights

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
WAYS = [(listener, mechanism) for listener in ("LOGIN", "CLEARLOGIN") for mechanism in MECHANISMS]
WAYS += [("ENCRYPTED", None), ("MUTUAL", None)]


@pytest.mark.parametrize(("listener", "mechanism"), WAYS)
async def test_a_record_goes_in_and_its_outcome_comes_back(
    secured_kafka: SecuredKafka,
    listener: str,
    mechanism: str | None,
    names: TopicSettings,
    group: ConsumerSettings,
) -> None:
    await go_through(secured_kafka.settings(listener, mechanism), names, group)


@pytest.fixture
def limited(secured_kafka: SecuredKafka) -> KafkaSettings:
    """The settings of a user who has only the rights that a test grants."""
    return secured_kafka.settings("LOGIN", "SCRAM-SHA-512", sasl_username=LIMITED, sasl_password=LIMITED_PASSWORD)


async def test_the_documented_rights_are_enough(
    secured_kafka: SecuredKafka, limited: KafkaSettings, names: TopicSettings, group: ConsumerSettings
) -> None:
    await Topics(secured_kafka.settings("LOGIN"), names).ensure()  # topics made elsewhere
    await secured_kafka.grant(documented_rights(names, group.group))

    await go_through(limited, names.model_copy(update={"create": False}), group)


async def test_create_on_the_cluster_is_enough_to_make_topics_and_describe_is_needed_to_see_them(
    secured_kafka: SecuredKafka, limited: KafkaSettings, names: TopicSettings, group: ConsumerSettings
) -> None:
    complaints = [complaint.text for complaint in await Topics(limited, names).ensure()]
    assert len(complaints) == 3
    for complaint in complaints:
        assert "is missing and could not be created: Authorization failed" in complaint

    await secured_kafka.grant([(CLUSTER, "kafka-cluster", CREATE)])
    complaints = [complaint.text for complaint in await Topics(limited, names).ensure()]
    cannot = "was created and cannot be seen: Kafka's ACLs do not let this user describe it"
    assert complaints == [f"topic {name} {cannot}" for name in (names.submissions, names.outcomes, names.dead_letters)]

    await secured_kafka.grant(documented_rights(names, group.group))
    await go_through(limited, names, group)


async def test_a_user_who_may_write_nowhere_is_told_so(secured_kafka: SecuredKafka, metrics: Metrics) -> None:
    """The broker's own words are that a right on the cluster is missing."""
    nobody = secured_kafka.settings("LOGIN", "SCRAM-SHA-256", sasl_username=NOBODY)
    with pytest.raises(BrokerUnavailable, match="Kafka's ACLs do not let this user write to any topic"):
        await Producer(nobody, metrics)._connect()


async def go_through(kafka: KafkaSettings, names: TopicSettings, group: ConsumerSettings) -> None:
    """Make or check the topics, submit, take and commit the submission, and answer it."""
    metrics = Metrics()
    key = SubmissionId("/test", "1").key.encode()
    (advice,) = await Topics(kafka, names).ensure()
    assert "without replicas" in advice.text
    producer, source = Producer(kafka, metrics), SubmissionSource(kafka, names, group, metrics)
    outcomes, backlog = OutcomeLog(kafka, names, metrics), Backlog(kafka, names, group.group)
    answers: list[bytes | None] = []
    following = asyncio.create_task(outcomes.follow(lambda records: answers.extend(each.value for each in records)))
    try:
        async with asyncio.timeout(60):
            await producer.start()
            await until(lambda: outcomes.ready)
            submitted = await producer.send(NewRecord(names.submissions, None, key, b"{}", ()))
            assert await backlog.holds(key)
            await source.start(nothing, nothing)
            fetched: dict[int, list] = {}
            while not fetched:
                fetched = await source.fetch(10, 0.2)
            assert [(record.offset, record.key) for record in fetched[submitted.partition]] == [(0, key)]
            written = await producer.send(NewRecord(names.outcomes, submitted.partition, key, b"done", ()))
            assert await source.commit({submitted.partition: 1})
            assert not await backlog.holds(key)
            outcome = await outcomes.read(written.partition, written.offset)
            assert (outcome and outcome.value) == b"done"
            await until(lambda: answers)
            assert answers == [b"done"]
            await producer.send(NewRecord(names.dead_letters, None, key, b"{}", ()))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        for part in (source, producer, outcomes, backlog):
            await part.stop()


async def nothing(_partitions: list[int]) -> None:
    pass
