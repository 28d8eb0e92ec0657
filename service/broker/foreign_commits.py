"""Tells of offsets in the consumer group that somebody else has committed.

The coordinator takes commits of anybody while the group has no members. One that is ahead of what was carried out skips
acknowledged submissions, so it must not pass in silence. It may be an operator's intention all the same, for
`kafka-consumer-groups.sh --reset-offsets` looks like any other; hence it is told and obeyed.
"""

from collections.abc import Collection

from service.broker.errors import BrokerUnavailable
from service.broker.log_reader import LogReader
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics


class ForeignCommits:
    """Looks at the offsets of partitions that have just been assigned."""

    def __init__(self, reader: LogReader, group: str, metrics: Metrics) -> None:
        self._reader = reader
        self._group = group
        self._count = metrics.foreign_commits

    async def look(self, partitions: Collection[int]) -> None:
        """Tell of each of the partitions whose offset is not of this service."""
        for partition in sorted(partitions):
            try:
                found = await self._reader.committed(partition, self._group)
            except BrokerUnavailable as error:
                log.info("offsets-not-checked", reason=str(error))
                return
            if found is not None and not found.is_own:
                self._count.inc()
                log.error("offset-of-others", group=self._group, partition=partition, offset=found.offset)
