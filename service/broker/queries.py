"""Single questions to the brokers over a connected client; each raises KafkaError for whatever goes wrong."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    LeaderNotAvailableError,
    StaleMetadata,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.structs import TopicPartition

EARLIEST: Final = -2
LATEST: Final = -1
"""Times that ask ListOffsets for the ends of a partition (Kafka protocol, ListOffsets)."""
READ_UNCOMMITTED: Final = 0
READ_COMMITTED: Final = 1


SIGNATURE: Final = "job-submission"


class Committed(NamedTuple):
    """What stands committed for a consumer group in a partition.

    `note` is what this service left with the offset; without `is_own` somebody else has committed it.
    """

    offset: int
    note: str
    is_own: bool = True


def signed(note: str) -> str:
    """Return the metadata of a commit: a note, and that it is of this service."""
    return f"{SIGNATURE}:{note}"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a consumer group: whose client it is, and what it reads, as pairs of topic and partition."""

    client_id: str
    host: str
    assigned: frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group: its state and assignor as the coordinator names them, `Stable` and `range` for example."""

    state: str
    assignor: str
    members: tuple[Member, ...]


def check(error_code: int) -> None:
    """Raise the error of a code that is not 0."""
    if error_code:
        raise for_code(error_code)


def partition_count(client: AIOKafkaClient, topic: str) -> int:
    """Return the number of partitions, as of the client's metadata."""
    _check_right(client, topic)
    partitions = client.cluster.partitions_for_topic(topic)
    if not partitions:
        raise UnknownTopicOrPartitionError(topic)
    return len(partitions)


async def replica_count(client: AIOKafkaClient, topic: str, partition: int) -> int:
    """Return how many brokers are to have a copy of a partition, in sync or not."""
    response = await client.send(client.get_random_node(), MetadataRequest([topic]))
    ((error, _, _, partitions),) = response.topics
    check(error)
    return next((len(replicas) for _, number, _, replicas, *_ in partitions if number == partition), 0)


def leader(client: AIOKafkaClient, topic: str, partition: int) -> int:
    """Return the broker that leads a partition, as of the client's metadata."""
    _check_right(client, topic)
    found = client.cluster.leader_for_partition(TopicPartition(topic, partition))
    if found is None:
        raise StaleMetadata(topic, partition)
    if found == -1:
        raise LeaderNotAvailableError(topic, partition)
    return int(found)


def _check_right(client: AIOKafkaClient, topic: str) -> None:
    """Raise where the topic may not be described, which only looks as if it were not there."""
    if topic in client.cluster.unauthorized_topics:
        raise TopicAuthorizationFailedError(topic)


async def list_offsets(
    client: AIOKafkaClient, topic: str, times_ms: Mapping[int, int], isolation: int = READ_UNCOMMITTED
) -> dict[int, int | None]:
    """Return by partition the offset of the first record not older than the given time, None if there is none.

    EARLIEST gives the first offset there is, LATEST the one after the last: the high watermark, or with READ_COMMITTED
    the last stable offset, which an open transaction holds back.
    """
    by_leader: dict[int, list[tuple[int, int]]] = {}
    for partition, time_ms in times_ms.items():
        by_leader.setdefault(leader(client, topic, partition), []).append((partition, time_ms))
    requests = [
        client.send(node, OffsetRequest(-1, isolation, [(topic, partitions)])) for node, partitions in by_leader.items()
    ]
    found = {}
    for response in await asyncio.gather(*requests):
        for partition, error, _, offset in response.topics[0][1]:
            check(error)
            found[partition] = None if offset < 0 else int(offset)
    return found


async def committed(
    client: AIOKafkaClient, topic: str, partitions: Collection[int], group: str
) -> dict[int, Committed | None]:
    """Return by partition what stands committed for a consumer group, None where nothing does."""
    response = await _ask_coordinator(client, group, OffsetFetchRequest(group, [(topic, list(partitions))]))
    check(response.error_code)  # of the group as a whole: then there are no topics in it
    return {partition: _committed(*rest) for partition, *rest in response.topics[0][1]}


def _committed(offset: int, metadata: str | None, error: int) -> Committed | None:
    check(error)
    signature, mark, note = (metadata or "").partition(":")
    is_own = bool(mark) and signature == SIGNATURE
    return None if offset < 0 else Committed(int(offset), note if is_own else "", is_own)


async def describe_group(client: AIOKafkaClient, group: str) -> Group:
    """Return who is in a consumer group and reads what."""
    response = await _ask_coordinator(client, group, DescribeGroupsRequest([group]))
    error, _, state, _, assignor, members, *_ = response.groups[0]
    check(error)
    return Group(state, assignor, tuple(_member(*member) for member in members))


def _member(*fields: Any) -> Member:
    client_id, host, _, assignment = fields[-4:]  # the instance id stands before them from version 4 on
    assigned = ConsumerProtocolMemberAssignment.decode(assignment).partitions() if assignment else []
    return Member(client_id, host, frozenset((topic, partition) for topic, partition in assigned))


async def _ask_coordinator(client: AIOKafkaClient, group: str, request: Any) -> Any:
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
    return await client.send(coordinator, request, group=ConnectionGroup.COORDINATION)
