"""Decides which member of the consumer group reads which partitions.

It has a name of its own: the group coordinator refuses a member that does not offer an assignor which all others offer
(KIP-54, INCONSISTENT_GROUP_PROTOCOL), so that no consumer of somebody else, such as `kcat -G`, can join the group by
its name, take partitions and commit what it did not carry out.

Each member tells the group how many partitions it knows of, as the user data of its subscription. A member that learns
of more joins again with another number, for which the coordinator starts a rebalance, whoever leads. The usual way,
in which the leader watches the topic, fails with static members: one that led and restarts under its name is not told
that it still leads (KAFKA-13435), so that nobody watches and added partitions are never read.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

ASSIGNOR_NAME: Final = "job-submission"
_COUNT = struct.Struct(">i")


class SubmissionAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka has no types
    """Assigns partitions in turn to the members, ordered by their ids.

    `partitions` is the number this member knows of. `on_assigned` is called before aiokafka fetches anything of an
    assignment.
    """

    name = ASSIGNOR_NAME

    def __init__(self, partitions: int, on_assigned: Callable[[], None]) -> None:
        self.partitions = partitions
        self._on_assigned = on_assigned

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return this member's subscription."""
        return ConsumerProtocolMemberMetadata(0, sorted(topics), _COUNT.pack(self.partitions))

    def assign(
        self, _cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return each member's partitions.

        Of a topic there are as many as the member with the newest knowledge says: the one that leads may not have heard
        of the latest yet.
        """
        readers: dict[str, list[str]] = {}
        counts: dict[str, int] = {}
        for member in sorted(members):
            subscription = members[member]
            for topic in subscription.subscription:
                readers.setdefault(topic, []).append(member)
                counts[topic] = max(counts.get(topic, 0), _count(subscription.user_data))
        assigned: dict[str, list[tuple[str, list[int]]]] = {member: [] for member in members}
        for topic, of_topic in sorted(readers.items()):
            for number, member in enumerate(of_topic):
                if partitions := list(range(number, counts[topic], len(of_topic))):
                    assigned[member].append((topic, partitions))
        return {member: ConsumerProtocolMemberAssignment(0, topics, b"") for member, topics in assigned.items()}

    def on_assignment(self, _assignment: Any) -> None:
        """Tell that there is a new assignment."""
        self._on_assigned()


def _count(user_data: bytes | None) -> int:
    return int(_COUNT.unpack(user_data)[0]) if user_data is not None and len(user_data) == _COUNT.size else 0
