"""What brokers answer only at moments that no test can choose."""

import pytest
from aiokafka.protocol.commit import OffsetFetchResponse_v3

from service.broker.log_reader import LogReader
from service.broker.queries import Committed, signed
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
