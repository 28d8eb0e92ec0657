"""What brokers answer only at moments that no test can choose."""

from aiokafka.protocol.commit import OffsetFetchResponse_v3

from service.broker.log_reader import LogReader
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
    reader._client = Coordinator(loading, OffsetFetchResponse_v3(0, [("submissions", [(0, 7, "note", 0)])], 0))
    assert await reader.committed(0, "group") == (7, "note")
