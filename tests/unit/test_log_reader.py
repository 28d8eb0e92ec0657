"""What brokers answer only at moments that no test can choose."""

from types import SimpleNamespace

import pytest
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.protocol.commit import OffsetFetchResponse_v3

from service.broker.errors import BrokerUnavailable
from service.broker.log_reader import LogReader
from service.broker.queries import EARLIEST, LATEST, Committed, signed
from service.settings import KafkaSettings


class Coordinator:
    """A client whose group coordinator answers one question after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def coordinator_lookup(self, *_):
        return 1

    async def send(self, *_, **__):
        return self.answers.pop(0)

    def force_metadata_update(self):
        pass


async def test_a_coordinator_that_still_loads_its_offsets_is_asked_again():
    reader = LogReader(KafkaSettings(bootstrap_servers="h:1"), "submissions")
    loading = OffsetFetchResponse_v3(0, [], 14)
    answer = OffsetFetchResponse_v3(0, [("submissions", [(0, 7, "job-submission:note", 0)])], 0)
    reader._client = Coordinator(loading, answer)
    assert await reader.committed(0, "group") == Committed(7, "note", is_own=True)


@pytest.mark.parametrize(
    ("metadata", "committed"),
    [
        (signed(""), Committed(7, "", is_own=True)),
        (signed("paused"), Committed(7, "paused", is_own=True)),
        ("", Committed(7, "", is_own=False)),
        ("paused", Committed(7, "", is_own=False)),
        ("job-submissions:paused", Committed(7, "", is_own=False)),
    ],
)
async def test_what_others_have_committed_is_known_by_its_metadata(metadata, committed):
    reader = LogReader(KafkaSettings(bootstrap_servers="h:1"), "submissions")
    reader._client = Coordinator(OffsetFetchResponse_v3(0, [("submissions", [(0, 7, metadata, 0)])], 0))
    assert await reader.committed(0, "group") == committed


class NewLeader(LogReader):
    """A partition of three records whose new leader learns only fetch by fetch that all of them were acknowledged."""

    def __init__(self, *fetched: int) -> None:
        super().__init__(KafkaSettings(bootstrap_servers="h:1", request_timeout_seconds=0.3), "outcomes")
        self.fetched = list(fetched)
        """Up to which offset each fetch gives records; the last one goes on."""

    async def offset_at(self, partition, time_ms):
        return {EARLIEST: 0, LATEST: 3}[time_ms]

    async def batches(self, partition, offset, max_bytes):
        end = self.fetched.pop(0) if len(self.fetched) > 1 else self.fetched[0]
        records = [SimpleNamespace(offset=each) for each in range(offset, end)]
        return iter([(records, end)] if records else []), end


@pytest.mark.parametrize("fetched", [(3,), (1, 1, 3), (0, 2, 2, 3), (1, 2, 3)])
async def test_everything_acknowledged_is_read_from_a_leader_that_has_just_become_one(fetched):
    reader = NewLeader(*fetched)
    assert [record.offset async for found in reader.scan(0, 0, 100) for record in found] == [0, 1, 2]


async def test_a_partition_that_cannot_be_read_to_its_end_is_not_taken_for_read():
    with pytest.raises(BrokerUnavailable, match="cannot be read up to its end, 3"):
        async for _ in NewLeader(1).scan(0, 0, 100):
            pass


class PastLeader(NewLeader):
    """A partition of three records, whose leader does not know that it is none any more and that there are five."""

    async def batches(self, partition, offset, max_bytes):
        if offset > 3:
            raise OffsetOutOfRangeError
        return await super().batches(partition, offset, max_bytes)


@pytest.mark.parametrize("start", [0, 3, 4])
async def test_a_leader_of_the_past_is_not_taken_for_one_where_the_end_is_known(start):
    with pytest.raises(BrokerUnavailable, match="cannot be read up to its end, 5"):
        async for _ in PastLeader(3).scan(0, start, 100, written_end=5):
            pass


@pytest.mark.parametrize("start", [3, 4])
async def test_a_scan_from_the_end_reads_nothing_and_one_from_beyond_it_all(start):
    found = [record.offset async for found in NewLeader(3).scan(0, start, 100) for record in found]
    assert found == ([] if start == 3 else [0, 1, 2])
