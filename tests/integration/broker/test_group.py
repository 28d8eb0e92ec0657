"""The consumer group: partitions that are added are read, and nobody else takes part."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import InconsistentGroupProtocolError
from aiokafka.structs import TopicPartition
from structlog.testing import capture_logs

from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.telemetry.metrics import Metrics
from tests.integration.broker.members import Member, fill


async def add_partitions(kafka: KafkaSettings, topic: str, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(count)})
    finally:
        await admin.close()


async def fetch_all_until(members: list[Member], condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.gather(*(member.fetch() for member in members))


@pytest.mark.parametrize("restarted", ["nobody", "the only member", "the leader", "the other member", "both"])
async def test_added_partitions_are_read_whoever_was_restarted_before(
    restarted: str,
    member_of: Callable[..., Member],
    kafka: KafkaSettings,
    topics: TopicSettings,
    stranger: AIOKafkaProducer,
) -> None:
    """A static member that led the group and comes back under its name is not told that it leads (KAFKA-13435)."""
    names = ["a"] if restarted == "the only member" else ["a", "b"]
    members = {}
    for name in names:  # the first one leads
        members[name] = await member_of(instance_id=name).join()
        await fetch_all_until([members[name]], lambda: members[name].owned)  # noqa: B023 - awaited at once
    await fetch_all_until(list(members.values()), lambda: sum(len(m.owned) for m in members.values()) == 3)
    again = {"nobody": [], "the only member": ["a"], "the leader": ["a"], "the other member": ["b"], "both": names}
    for name in again[restarted]:
        await members[name].source.stop()
        members[name] = await member_of(instance_id=name).join()
        await fetch_all_until([members[name]], lambda: members[name].owned)  # noqa: B023 - awaited at once

    await add_partitions(kafka, topics.submissions, 5)
    await fill(stranger, topics.submissions, 4, 1)

    def all_are_read() -> bool:  # one member may read on while the other has yet to hear what is its own
        owned = sorted(p for m in members.values() for p in m.owned)
        return owned == [0, 1, 2, 3, 4] and any(m.offsets(4) for m in members.values())

    await fetch_all_until(list(members.values()), all_are_read)


async def test_a_consumer_of_somebody_else_cannot_join_the_group(
    member_of: Callable[..., Member],
    kafka: KafkaSettings,
    topics: TopicSettings,
    group: ConsumerSettings,
    stranger: AIOKafkaProducer,
) -> None:
    """Such as `kcat -G`: what it reads and commits is lost to the service."""
    member = await member_of().join()
    await member.fetch_until(lambda: member.owned)
    foreign = AIOKafkaConsumer(
        topics.submissions, bootstrap_servers=kafka.bootstrap_servers, group_id=group.group, session_timeout_ms=6000
    )

    async def join() -> None:
        async with asyncio.timeout(15):
            await foreign.start()
            await foreign.getone()

    try:
        with pytest.raises(InconsistentGroupProtocolError):
            await join()
    finally:
        await foreign.stop()
    await fill(stranger, topics.submissions, 0, 1)
    await member.fetch_until(lambda: member.offsets(0))
    assert member.events == [("assigned", [0, 1, 2])]


async def test_a_group_that_others_hold_is_told_and_joined_when_they_have_left(
    member_of: Callable[..., Member], kafka: KafkaSettings, topics: TopicSettings, group: ConsumerSettings
) -> None:
    foreign = AIOKafkaConsumer(topics.submissions, bootstrap_servers=kafka.bootstrap_servers, group_id=group.group)
    await foreign.start()
    try:
        with capture_logs() as logs:
            member = await member_of().join()
            await member.fetch_until(lambda: logs)
            for _ in range(20):
                await member.fetch()
    finally:
        await foreign.stop()
    assert [(line["event"], line["group"]) for line in logs] == [("group-refused", group.group)]
    await member.fetch_until(lambda: member.owned)


async def test_an_offset_that_others_committed_while_the_group_was_empty_is_told(
    member_of: Callable[..., Member],
    kafka: KafkaSettings,
    topics: TopicSettings,
    group: ConsumerSettings,
    stranger: AIOKafkaProducer,
    metrics: Metrics,
) -> None:
    """The coordinator takes it from anybody, and what stands before it is never read."""
    await fill(stranger, topics.submissions, 1, 3)
    foreign = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, group_id=group.group, enable_auto_commit=False
    )
    await foreign.start()
    try:
        partition = TopicPartition(topics.submissions, 1)
        foreign.assign([partition])
        await foreign.commit({partition: 2})
    finally:
        await foreign.stop()

    with capture_logs() as logs:
        member = await member_of().join()
        await member.fetch_until(lambda: member.offsets(1) and logs)
        assert await member.source.commit({1: 3})
        await member.source.stop()
        again = await member_of().join()
        await fill(stranger, topics.submissions, 1, 1)
        await again.fetch_until(lambda: again.offsets(1))

    told = [line for line in logs if line["event"] == "offset-of-others"]
    assert told == [
        {"event": "offset-of-others", "log_level": "error", "group": group.group, "partition": 1, "offset": 2}
    ]
    assert "job_submission_foreign_commits_total 1.0" in metrics.exposition().decode()
    assert again.offsets(1) == [3]


async def test_an_instance_id_that_another_process_has_taken_is_told(member_of: Callable[..., Member]) -> None:
    """Both would throw each other out of the group again and again, and be ready in between."""
    first = await member_of(instance_id="same").join()
    await first.fetch_until(lambda: first.owned)
    with capture_logs() as logs:
        second = await member_of(instance_id="same").join()
        await second.fetch_until(lambda: second.owned)
        await first.fetch_until(lambda: [line for line in logs if line["event"] == "instance-id-taken"])
    told = next(line for line in logs if line["event"] == "instance-id-taken")
    assert told["instance_id"] == "same"
    assert told["log_level"] == "error"
