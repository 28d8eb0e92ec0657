"""A member of the group reads fairly, commits only what it still owns, and knows when it may no longer act."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from service.broker import Producer, stalls
from service.settings import KafkaSettings, TopicSettings
from service.submission.records import NewRecord, Record
from service.telemetry.metrics import Metrics
from tests.integration.broker.conftest import produce_name_that_is_no_text, until
from tests.integration.broker.members import Member, fill


async def test_a_record_arrives_as_it_was_produced(
    member_of: Callable[..., Member], producer: Producer, topics: TopicSettings
) -> None:
    headers = (("ce_id", b"\xff\x00"), ("ce_id", b""))
    position = await producer.send(NewRecord(topics.submissions, 1, b"\xff", None, headers))
    member = await member_of().join()

    await member.fetch_until(lambda: member.records)

    assert member.records == {1: [Record(topics.submissions, 1, 0, position.timestamp, b"\xff", None, headers)]}


async def test_a_backlog_starves_no_other_partition(
    member_of: Callable[..., Member], stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    await fill(stranger, topics.submissions, 0, 10_000)
    await fill(stranger, topics.submissions, 1, 100)
    await fill(stranger, topics.submissions, 2, 100)
    member = await member_of().join()

    await member.fetch_until(lambda: len(member.offsets(1)) == len(member.offsets(2)) == 100)

    assert all(count <= 32 for counts in member.rounds for count in counts.values())
    assert member.offsets(1) == list(range(100))
    assert len(member.offsets(0)) < 1000
    await member.fetch_until(lambda: len(member.offsets(0)) == 10_000)
    assert member.offsets(0) == list(range(10_000))


async def test_a_paused_partition_gives_nothing_and_loses_nothing(
    member_of: Callable[..., Member], stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    await fill(stranger, topics.submissions, 0, 100)
    await fill(stranger, topics.submissions, 1, 100)
    member = await member_of().join()
    await member.fetch_until(lambda: len(member.offsets(0)) >= 32)
    member.source.pause([0, 99])
    before = len(member.offsets(0))
    await member.fetch_until(lambda: len(member.offsets(1)) == 100)
    await member.fetch()

    assert len(member.offsets(0)) == before
    member.source.resume([0, 99])
    await member.fetch_until(lambda: len(member.offsets(0)) == 100)
    assert member.offsets(0) == list(range(100))


async def test_partitions_that_are_paused_on_assignment_stay_so(
    member_of: Callable[..., Member], stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    await fill(stranger, topics.submissions, 0, 10)
    await fill(stranger, topics.submissions, 1, 10)
    member = member_of()
    assigned = member._assigned

    async def pausing(partitions: list[int]) -> None:
        member.source.pause([0])
        await asyncio.sleep(0.3)
        await assigned(partitions)

    await member.source.start(pausing, member._revoked)
    await member.fetch_until(lambda: len(member.offsets(1)) == 10)
    await member.fetch()

    assert member.offsets(0) == []


async def test_a_rebalance_in_mid_flight_hands_over_what_was_committed(
    member_of: Callable[..., Member], stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    for partition in range(3):
        await fill(stranger, topics.submissions, partition, 50)
    first = await member_of().join()
    await first.fetch_until(lambda: all(len(first.offsets(partition)) == 50 for partition in range(3)))
    assert await first.source.commit({0: 10})

    async def finish(partitions: list[int]) -> None:
        await asyncio.sleep(0.1)
        assert await first.source.commit(dict.fromkeys(partitions, 40))

    first.on_revoked = finish
    second = await member_of().join()

    def again() -> dict[int, list[int]]:
        return {partition: first.offsets(partition)[50:] + second.offsets(partition) for partition in range(3)}

    async with asyncio.timeout(30):
        while not (first.owned and second.owned and all(len(offsets) == 10 for offsets in again().values())):
            await asyncio.gather(first.fetch(), second.fetch())
    await asyncio.gather(first.fetch(), second.fetch())

    # what the revocation has committed is read by nobody again, the rest by the owner of now, whoever it is
    assert again() == {partition: list(range(40, 50)) for partition in range(3)}
    assert not first.owned & second.owned
    assert first.events[:2] == [("assigned", [0, 1, 2]), ("revoked", [0, 1, 2])]
    lost = next(iter(second.owned))
    assert not await first.source.commit({lost: 50})


async def test_what_a_producer_has_taken_back_is_not_read_and_leaves_a_gap(
    member_of: Callable[..., Member], kafka: KafkaSettings, topics: TopicSettings
) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"t-{topics.submissions}"
    ) as transactional:
        for number in range(6):
            await transactional.begin_transaction()
            await transactional.send_and_wait(topics.submissions, b"%d" % number, b"k", 0)
            await (transactional.abort_transaction() if number % 2 else transactional.commit_transaction())
    member = await member_of().join()

    await member.fetch_until(lambda: len(member.offsets(0)) == 3)

    assert [(record.offset, record.value) for record in member.records[0]] == [(0, b"0"), (4, b"2"), (8, b"4")]


async def test_static_membership_survives_a_restart_without_a_rebalance(
    member_of: Callable[..., Member], stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    await fill(stranger, topics.submissions, 0, 10)
    stays = await member_of(instance_id="a").join()
    await stays.fetch_until(lambda: stays.owned)
    leaves = await member_of(instance_id="b").join()
    async with asyncio.timeout(30):
        while not (leaves.owned and stays.owned and len(leaves.owned | stays.owned) == 3):
            await asyncio.gather(stays.fetch(), leaves.fetch())
    events = list(stays.events)
    await leaves.source.stop()

    returns = await member_of(instance_id="b").join()
    await returns.fetch_until(lambda: returns.owned)

    assert returns.owned == leaves.owned
    assert stays.events == events


async def test_a_client_whose_fetches_stall_is_replaced_as_in_a_rebalance(
    member_of: Callable[..., Member],
    stranger: AIOKafkaProducer,
    topics: TopicSettings,
    metrics: Metrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stalls, "STALL_SECONDS", 1.5)
    await fill(stranger, topics.submissions, 0, 10)
    member = await member_of().join()
    await member.fetch_until(lambda: len(member.offsets(0)) == 10)
    assert await member.source.commit({0: 7})
    member.source._membership.client._fetcher._fetch_task.cancel()  # type: ignore[union-attr]  # aiokafka #703
    await asyncio.sleep(1)  # until the last fetch has been answered
    await fill(stranger, topics.submissions, 0, 1)

    await member.fetch_until(lambda: len(member.offsets(0)) == 14)

    assert member.offsets(0) == [*range(10), 7, 8, 9, 10]
    assert member.events == [("assigned", [0, 1, 2]), ("revoked", [0, 1, 2]), ("assigned", [0, 1, 2])]
    name = "job_submission_kafka_client_rebuilds_total"
    assert metrics.registry.get_sample_value(name, {"client": "submissions"}) == 1


async def test_a_client_whose_fetch_waits_to_be_tried_again_is_closed_all_the_same(
    member_of: Callable[..., Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka cancels that fetch and stumbles over it, with its connections still open."""
    member = await member_of().join()
    client = member.source._membership.client  # type: ignore[union-attr]  # it has joined
    failed, send = asyncio.Event(), client._client.send

    async def send_but_no_fetch(node: int, request: Any, **options: Any) -> Any:
        if type(request).__name__.startswith("FetchRequest"):
            failed.set()
            raise KafkaConnectionError("lost")
        return await send(node, request, **options)

    monkeypatch.setattr(client._client, "send", send_but_no_fetch)
    monkeypatch.setattr(client._fetcher, "_retry_backoff", 60)
    await failed.wait()
    await asyncio.sleep(0.1)
    await member.source.stop()
    assert [conn for conn in client._client._conns.values() if conn.connected()] == []


async def test_membership_is_confirmed_only_while_the_group_confirms_it(
    member_of: Callable[..., Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    member = member_of()
    assert not member.source.confirmed()
    await member.join()
    await until(member.source.confirmed)

    now = member.source._membership._confirmed  # type: ignore[union-attr]  # it has joined
    monkeypatch.setattr("service.broker.membership.time.monotonic", lambda: now + 4.4)
    assert member.source.confirmed()
    monkeypatch.setattr("service.broker.membership.time.monotonic", lambda: now + 4.6)  # three quarters of six seconds
    assert not member.source.confirmed()


async def test_a_header_whose_name_is_no_text_stops_nothing(
    member_of: Callable[..., Member], stranger: AIOKafkaProducer, topics: TopicSettings
) -> None:
    for partition in (0, 1):
        await fill(stranger, topics.submissions, partition, 100)
        await produce_name_that_is_no_text(stranger, topics.submissions, partition)
        await fill(stranger, topics.submissions, partition, 100)
    await fill(stranger, topics.submissions, 2, 200)
    member = await member_of().join()

    await member.fetch_until(lambda: sum(map(len, member.records.values())) >= 602)

    assert {partition: member.offsets(partition) for partition in range(3)} == {
        0: list(range(201)),
        1: list(range(201)),
        2: list(range(200)),
    }
    assert member.records[0][100].headers == (("\ufffd\ufffd", b"v"),)
