"""A topic is followed without a hole, from its end or from its beginning, and what is missing is waited for."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from structlog.testing import capture_logs

from service.broker import Producer, TopicFollower, stalls
from service.settings import KafkaSettings, TopicSettings
from service.submission.records import NewRecord, Record
from service.telemetry.metrics import Metrics
from tests.integration.broker.conftest import produce_name_that_is_no_text, until


@pytest.fixture
async def admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def write(producer: Producer, topics: TopicSettings) -> Callable[..., object]:
    async def write(*keys: str, partition: int = 0) -> None:
        for key in keys:
            await producer.send(NewRecord(topics.outcomes, partition, key.encode(), b"{}", ()))

    return write


@pytest.fixture
async def follower(kafka: KafkaSettings, topics: TopicSettings, metrics: Metrics) -> AsyncIterator[TopicFollower]:
    follower = TopicFollower(kafka, topics.outcomes, metrics, client="test")
    yield follower
    await follower.stop()


@pytest.fixture
async def from_beginning(kafka: KafkaSettings, names: TopicSettings, metrics: Metrics) -> AsyncIterator[TopicFollower]:
    """As the job events are followed; of a topic that need not be there."""
    follower = TopicFollower(kafka, names.outcomes, metrics, client="test", from_beginning=True, at_once=2)
    yield follower
    await follower.stop()


class Following:
    """A follower at work, and what it has given."""

    def __init__(self, follower: TopicFollower, on_step: Callable[[], object] = lambda: None) -> None:
        self._on_step = on_step
        self.seen: list[tuple[int, int, bytes | None]] = []
        self.steps: list[int] = []
        self.made_anew = 0
        self.task = asyncio.create_task(follower.follow(self._note, self._note_made_anew))

    def _note(self, records: list[Record]) -> None:
        self.seen += [(record.partition, record.offset, record.key) for record in records]
        self.steps.append(len(records))
        self._on_step()

    def _note_made_anew(self) -> None:
        self.made_anew += 1
        self.seen.clear()

    async def __aenter__(self) -> "Following":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_everything_is_seen_from_the_moment_it_is_ready(follower: TopicFollower, write: Callable) -> None:
    await write("past")
    assert not follower.ready
    async with Following(follower) as following:
        await until(lambda: follower.ready)
        await until(lambda: follower.caught_up)
        await write("a", "b")
        await write("c", partition=2)
        await until(lambda: len(following.seen) == 3)

    assert sorted(following.seen) == [(0, 1, b"a"), (0, 2, b"b"), (2, 0, b"c")]


async def test_from_the_beginning_everything_comes_in_small_steps_and_it_has_caught_up_only_then(
    from_beginning: TopicFollower, write: Callable
) -> None:
    await write(*"abcde")
    await write("f", partition=1)
    caught_up = []
    async with Following(from_beginning, lambda: caught_up.append(from_beginning.caught_up)) as following:
        await until(lambda: from_beginning.caught_up)
        assert sorted(following.seen) == [*((0, n, key.encode()) for n, key in enumerate("abcde")), (1, 0, b"f")]
        assert not any(caught_up)
        assert max(following.steps) <= 2
        await write("g")
        await until(lambda: len(following.seen) == 7)
    assert following.seen[-1] == (0, 5, b"g")


async def test_it_catches_up_with_a_topic_whose_last_offsets_have_no_record(
    from_beginning: TopicFollower, topics: TopicSettings, kafka: KafkaSettings
) -> None:
    async with (
        AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"t-{topics.outcomes}"
        ) as transactional,
        transactional.transaction(),
    ):
        await transactional.send_and_wait(topics.outcomes, b"{}", b"inside", 0)
    async with Following(from_beginning) as following:
        await until(lambda: from_beginning.caught_up)
    assert following.seen == [(0, 0, b"inside")]


async def test_a_missing_topic_is_waited_for_told_once_and_not_created_by_asking(
    from_beginning: TopicFollower,
    names: TopicSettings,
    admin: AIOKafkaAdminClient,
    stranger: AIOKafkaProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.broker.topic_follower.MISSING_SECONDS", 0.2)
    with capture_logs() as logs:
        async with Following(from_beginning) as following:
            await until(lambda: from_beginning.trouble)
            await asyncio.sleep(1)
            assert from_beginning.trouble == (
                f"there is no topic {names.outcomes}, or this service may not describe it"
            )
            assert (from_beginning.ready, from_beginning.caught_up) == (False, False)
            assert names.outcomes not in await admin.list_topics()
            await admin.create_topics([NewTopic(names.outcomes, 3, 1)])
            await until(lambda: from_beginning.caught_up)
            await stranger.send_and_wait(names.outcomes, b"{}", b"a", 1)
            await until(lambda: following.seen)
            assert from_beginning.trouble is None
    assert following.seen == [(1, 0, b"a")]
    assert [line["topic"] for line in logs if line["event"] == "topic-missing"] == [names.outcomes]


async def test_a_topic_that_was_made_anew_is_read_again_from_its_beginning(
    from_beginning: TopicFollower,
    topics: TopicSettings,
    admin: AIOKafkaAdminClient,
    write: Callable,
    stranger: AIOKafkaProducer,
) -> None:
    await write("a", "b", "c")
    await write("d", partition=1)
    async with Following(from_beginning) as following:
        await until(lambda: len(following.seen) == 4)
        await admin.delete_topics([topics.outcomes])
        async with asyncio.timeout(20):
            while topics.outcomes in await admin.list_topics():
                await asyncio.sleep(0.1)
        await admin.create_topics([NewTopic(topics.outcomes, 3, 1)])
        await stranger.send_and_wait(topics.outcomes, b"{}", b"new", 1)
        await stranger.send_and_wait(topics.outcomes, b"{}", b"newer", 0)
        await until(lambda: following.made_anew and len(following.seen) == 2 and from_beginning.caught_up, 60)
    assert sorted(following.seen) == [(0, 0, b"newer"), (1, 0, b"new")]


async def test_one_whose_fetches_stall_is_replaced_and_misses_nothing(
    follower: TopicFollower, write: Callable, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalls, "STALL_SECONDS", 1.5)
    clients = []
    connect = follower._at_positions

    async def remember() -> object:
        clients.append(await connect())
        return clients[-1]

    monkeypatch.setattr(follower, "_at_positions", remember)
    async with Following(follower) as following:
        await until(lambda: follower.ready)
        await write("heard")
        await until(lambda: following.seen)
        clients[0]._fetcher._fetch_task.cancel()  # aiokafka #703 from the outside: no more fetches, no error
        await asyncio.sleep(1)  # until the last fetch has been answered
        await write("unheard")
        await until(lambda: len(following.seen) == 2)

    assert following.seen == [(0, 0, b"heard"), (0, 1, b"unheard")]
    assert metrics.registry.get_sample_value("job_submission_kafka_client_rebuilds_total", {"client": "test"}) == 1


async def test_new_partitions_are_picked_up_from_their_beginning(
    follower: TopicFollower,
    stranger: AIOKafkaProducer,
    admin: AIOKafkaAdminClient,
    topics: TopicSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.broker.topic_follower.NEW_PARTITIONS_SECONDS", 0.2)
    monkeypatch.setattr("service.broker.connection.METADATA_MAX_AGE_MS", 300)
    async with Following(follower) as following:
        await until(lambda: follower.ready)
        await admin.create_partitions({topics.outcomes: NewPartitions(total_count=4)})
        await until(
            lambda: len(stranger.client.cluster.partitions_for_topic(topics.outcomes) or ()) == 4 or _look(stranger)
        )
        await stranger.send_and_wait(topics.outcomes, b"{}", b"first", 3)
        await until(lambda: following.seen)

    assert following.seen == [(3, 0, b"first")]


def _look(client: AIOKafkaProducer) -> None:
    client.client.force_metadata_update()


@pytest.mark.parametrize("is_from_beginning", [False, True])
async def test_a_header_whose_name_is_no_text_stops_nothing(
    is_from_beginning: bool,
    kafka: KafkaSettings,
    topics: TopicSettings,
    metrics: Metrics,
    write: Callable,
    stranger: AIOKafkaProducer,
) -> None:
    follower = TopicFollower(kafka, topics.outcomes, metrics, client="test", from_beginning=is_from_beginning)
    async with Following(follower) as following:
        await until(lambda: follower.ready)
        await write("a")
        await produce_name_that_is_no_text(stranger, topics.outcomes)
        await write("b")
        await write("c", partition=1)
        await until(lambda: len(following.seen) == 4)
    await follower.stop()

    assert sorted(following.seen) == [(0, 0, b"a"), (0, 1, b"odd"), (0, 2, b"b"), (1, 0, b"c")]
