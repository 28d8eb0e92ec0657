"""What is patched into aiokafka, and whether upstream still needs it.

Each `test_upstream_...` fails once aiokafka does by itself what a patch does: then the patch and that test go.
"""

import asyncio
import contextlib
import inspect
import re
import ssl
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import trustme
from aiokafka import AIOKafkaConsumer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, AIOKafkaProtocol, OAuthAuthenticator
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, NotEnoughReplicasError, ProducerClosed
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.producer.transaction_manager import TransactionManager, TransactionState
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy
from aiokafka.structs import BrokerMetadata, TopicPartition

import service.broker
from service.broker import patches
from service.broker.patches import connections, producers


def test_aiokafka_is_a_version_whose_private_parts_are_known():
    """After raising the bound in pyproject.toml: compare what `service.broker.patches` uses, then raise it here."""
    assert tuple(map(int, version("aiokafka").split(".")[:2])) < (0, 15)


def test_nothing_else_touches_private_parts():
    broker = Path(service.broker.__file__).parent
    private = re.compile(r"noqa: SLF|from aiokafka\S* import .*\b_[A-Za-z]")
    found = {
        f"{path.relative_to(broker)}: {line.strip()}"
        for path in broker.rglob("*.py")
        if "patches" not in path.parts
        for line in path.read_text().splitlines()
        if private.search(line)
    }
    assert found == set()


# --- connections -----------------------------------------------------------------------------------------------------


class LostTransport:
    """A writer as uvloop leaves it when the connection is lost."""

    def write(self, _data: bytes) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    def close(self) -> None:
        pass


def lost_connection() -> AIOKafkaConnection:
    connection = AIOKafkaConnection("127.0.0.1", 1)
    connection._writer, connection._reader = LostTransport(), asyncio.StreamReader()
    connection._read_task = asyncio.create_task(asyncio.sleep(0))
    connection._versions = {MetadataRequest.API_KEY: (0, 1)}
    return connection


async def test_a_write_to_a_lost_connection_is_a_connection_error():
    connection = lost_connection()
    with pytest.raises(KafkaConnectionError, match="the handler is closed"):
        await connection.send(MetadataRequest([]))
    assert not connection.connected()


async def test_what_aiokafka_itself_raises_for_a_request_stays_as_it_is():
    connection = lost_connection()
    connection._versions = {}
    with pytest.raises(IncompatibleBrokerVersion):
        await connection.send(MetadataRequest([]))
    assert connection.connected()
    connection.close()


async def test_upstream_raises_what_uvloop_raises():
    """aiokafka #1038."""
    connection = lost_connection()
    with pytest.raises(RuntimeError, match="the handler is closed"):
        await connections.upstream_send(connection, MetadataRequest([]))
    connection.close()


@contextlib.asynccontextmanager
async def hanging_broker() -> AsyncIterator[AIOKafkaConnection]:
    """A connection over TLS to a broker that reads nothing any more."""
    authority, released = trustme.CA(), asyncio.Event()
    ours, its = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(its)

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        hanging.set()
        await released.wait()
        writer.transport.abort()

    hanging = asyncio.Event()
    async with await asyncio.start_server(hang, "127.0.0.1", 0, ssl=its) as server:
        loop, port = asyncio.get_running_loop(), server.sockets[0].getsockname()[1]
        connection = AIOKafkaConnection("127.0.0.1", port)
        connection._closed_fut = loop.create_future()
        reader = asyncio.StreamReader()
        protocol = AIOKafkaProtocol(connection._closed_fut, reader, loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, "127.0.0.1", port, ssl=ours)
        connection._reader, connection._writer = reader, asyncio.StreamWriter(transport, protocol, reader, loop)
        connection._read_task = asyncio.create_task(asyncio.sleep(0))
        await hanging.wait()
        yield connection
        transport.abort()
        released.set()


async def test_a_connection_whose_broker_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "CLOSE_SECONDS", 0.01)
    async with hanging_broker() as connection, asyncio.timeout(20):
        await connection.close()


async def test_upstream_waits_until_a_broker_that_hangs_ends_the_connection_too():
    async with hanging_broker() as connection:
        closed = connections.upstream_close(connection)
        done, _ = await asyncio.wait({closed}, timeout=0.3)
        assert not done


async def test_brokers_that_cannot_be_reached_are_named_with_the_reason():
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1,127.0.0.1:2")
    with pytest.raises(KafkaConnectionError) as failed:
        await client.bootstrap()
    reasons = sorted(str(failed.value).removeprefix("KafkaConnectionError: ").split("; "))
    refused = "Connect call failed ('127.0.0.1', {port})"
    assert [reason.partition(": [Errno 111] ")[2] for reason in reasons] == [refused.format(port=p) for p in (1, 2)]


async def test_upstream_keeps_the_reason_to_itself():
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaConnectionError) as failed:
        await connections.upstream_bootstrap(client)
    assert "refused" not in str(failed.value)
    assert "failed" not in str(failed.value)


class EmptyCluster:
    """Connections to a broker that knows of no topics, counting the questions."""

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, _request: Any) -> Any:
        self.asked += 1
        return SimpleNamespace(API_VERSION=0, brokers=[(1, "broker", 9092)], topics=[])


async def refresh_for_a_while(update: Callable[..., Any]) -> int:
    """Refresh as often as `update` lets one, as clients do while a partition has no leader; return how often it was."""
    client, cluster = AIOKafkaClient(), EmptyCluster()
    client.cluster._brokers = {1: BrokerMetadata(1, "broker", 9092, None)}

    async def connection(_node: int) -> EmptyCluster:
        return cluster

    client._get_conn = connection
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                await update(client, client.cluster, ["gone"])
                await asyncio.sleep(0)
    return cluster.asked


async def test_metadata_is_not_refreshed_without_a_pause():
    assert 1 <= await refresh_for_a_while(AIOKafkaClient._metadata_update) <= 3


async def test_upstream_refreshes_metadata_without_a_pause():
    assert await refresh_for_a_while(connections.upstream_metadata_update) > 30


class Tokens(AbstractTokenProvider):
    async def token(self) -> str:
        return "t"


REFUSAL = b'{"status":"invalid_token"}'


async def test_a_refused_token_is_acknowledged_so_that_the_broker_says_the_error():
    login = OAuthAuthenticator(sasl_oauth_token_provider=Tokens())
    assert await login.step(None) == (b"n,,\x01auth=Bearer t\x01\x01", True)
    assert await login.step(REFUSAL) == (b"\x01", True)


async def test_a_token_that_is_taken_ends_the_login():
    login = OAuthAuthenticator(sasl_oauth_token_provider=Tokens())
    await login.step(None)
    assert await login.step(b"") is None


async def test_upstream_takes_a_refused_token_for_a_login():
    login = OAuthAuthenticator(sasl_oauth_token_provider=Tokens())
    await login.step(None)
    assert await connections.upstream_token_step(login, REFUSAL) is None


def test_upstream_keeps_the_credentials_of_a_client_for_all_its_connections():
    parameters = inspect.signature(AIOKafkaClient).parameters
    assert [name for name in parameters if "provider" in name or "factory" in name] == ["sasl_oauth_token_provider"]


# --- consumers -------------------------------------------------------------------------------------------------------


async def test_upstream_has_no_public_way_to_see_a_heartbeat_answered():
    public = [name for name in (*dir(AIOKafkaConsumer), *dir(GroupCoordinator)) if not name.startswith("_")]
    assert [name for name in public if "heartbeat" in name.lower()] == []


async def test_upstream_has_no_public_way_to_join_again():
    assert [name for name in dir(AIOKafkaConsumer) if "rebalance" in name.lower() or "rejoin" in name.lower()] == []


class Stopping:
    """A consumer of aiokafka whose `stop` ends as the test says."""

    def __init__(self, stop: Callable[[], Any]) -> None:
        self.stop = stop
        self.closed = False
        self._client = self

    async def close(self) -> None:
        self.closed = True


async def stumble() -> None:
    raise asyncio.CancelledError


async def fail() -> None:
    raise KeyError("whatever")


async def hang() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("stop", [stumble, fail, hang])
async def test_a_consumer_is_disconnected_however_its_stop_ends(stop, monkeypatch):
    monkeypatch.setattr("service.broker.patches.consumers.STOP_SECONDS", 0.01)
    consumer = Stopping(stop)
    await patches.close(consumer)
    assert consumer.closed


# --- producers -------------------------------------------------------------------------------------------------------


async def a_queue_with_a_record() -> tuple[MessageAccumulator, asyncio.Future[Any]]:
    cluster = SimpleNamespace(leader_for_partition=lambda _: None)
    queue = MessageAccumulator(cluster, 1000, 0, 10)
    return queue, await queue.add_message(TopicPartition("t", 0), b"k", b"v", timeout=1)


def a_producer(queue: MessageAccumulator) -> Any:
    return SimpleNamespace(_message_accumulator=queue, _sender=SimpleNamespace(sender_task=None), stop=queue.close)


async def test_a_queue_is_given_up_and_who_waits_for_a_record_is_told():
    queue, written = await a_queue_with_a_record()
    await producers.discard(a_producer(queue))
    with pytest.raises(ProducerClosed):
        await written


async def test_who_waits_for_a_record_that_could_not_be_written_is_told_why():
    queue, written = await a_queue_with_a_record()
    (batch,) = queue._batches[TopicPartition("t", 0)]
    handler = SendProduceReqHandler(SimpleNamespace(_txn_manager=object(), client=None, _retry_backoff=1), {})
    assert handler._can_retry(NotEnoughReplicasError(), batch)
    await producers.discard(a_producer(queue))
    with pytest.raises(NotEnoughReplicasError):
        await written
    assert not handler._can_retry(NotEnoughReplicasError(), batch)


async def test_upstream_forgets_why_a_batch_is_tried_again():
    queue, written = await a_queue_with_a_record()
    (batch,) = queue._batches[TopicPartition("t", 0)]
    handler = SendProduceReqHandler(SimpleNamespace(_txn_manager=object(), client=None, _retry_backoff=1), {})
    assert producers.upstream_can_retry(handler, NotEnoughReplicasError(), batch)
    assert [value for value in vars(batch).values() if isinstance(value, NotEnoughReplicasError)] == []
    written.cancel()


async def test_a_producer_without_a_transaction_fails_in_silence():
    manager = TransactionManager(None, 1000)
    manager.fatal_error(NotEnoughReplicasError())
    assert manager.state is TransactionState.FATAL_ERROR


async def test_upstream_takes_every_failed_producer_for_a_transactional_one():
    with pytest.raises(AttributeError):
        producers.upstream_fatal_error(TransactionManager(None, 1000), NotEnoughReplicasError())


async def test_upstream_waits_for_its_queue_without_end():
    """aiokafka #1101."""
    queue, written = await a_queue_with_a_record()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await queue.close()
    written.cancel()


async def test_a_producer_whose_sender_has_failed_is_disconnected_all_the_same():
    """Seen when the broker restarts: aiokafka 0.14 re-raises a KeyError of `reenqueue` from `stop`."""
    queue, written = await a_queue_with_a_record()
    producer = Stopping(fail)
    producer._message_accumulator, producer.client = queue, producer
    producer._sender = SimpleNamespace(sender_task=None)
    await producers.discard(producer)
    assert producer.closed
    with pytest.raises(ProducerClosed):
        await written


async def test_whoever_gives_up_a_producer_is_not_cancelled_with_its_sender():
    """Seen when a broker was killed: the task that keeps a producer ended without a word; nothing was written again."""

    async def ends_late() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    queue, written = await a_queue_with_a_record()
    sender = asyncio.create_task(ends_late())
    await asyncio.sleep(0)

    async def stop() -> None:
        sender.cancel()
        await sender

    producer = Stopping(stop)
    producer._message_accumulator, producer.client = queue, producer
    producer._sender = SimpleNamespace(sender_task=sender)
    with mock.patch.object(producers, "STOP_SECONDS", 0.01):
        await producers.discard(producer)
    assert producer.closed
    with pytest.raises(ProducerClosed):
        await written


# --- batches ---------------------------------------------------------------------------------------------------------


def a_batch_with_a_header_name_that_is_no_text() -> bytes:
    class Name(str):
        __slots__ = ()

        def encode(self, *_: Any) -> bytes:
            return b"\xff\xfe"

    batch = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1000)
    batch.append(0, 0, b"k", b"v", [(Name("h"), b"x")])
    return bytes(batch.build())


def test_a_header_name_that_is_no_text_gets_replacement_characters():
    (record,) = patches.LenientBatch(a_batch_with_a_header_name_that_is_no_text())
    assert record.headers == [("\ufffd\ufffd", b"x")]


def test_upstream_does_not_decode_a_header_name_that_is_no_text():
    with pytest.raises(UnicodeDecodeError):
        list(DefaultRecordBatch(a_batch_with_a_header_name_that_is_no_text()))
