"""Record batches byte by byte, for what no client library would write but any stranger's can."""

from aiokafka import AIOKafkaProducer
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

_CRC_AT, _CRC_FROM = 17, 21  # https://kafka.apache.org/documentation/#recordbatch


def batch(value: bytes, header: bytes) -> bytes:
    """Return a batch of one record with one header, whose name is any bytes at all."""
    placeholder = "~" * len(header)
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    builder.append(0, 0, b"key", value, headers=[(placeholder, b"x")])
    raw = bytearray(builder.build())
    at = raw.rindex(placeholder.encode())
    raw[at : at + len(header)] = header
    raw[_CRC_AT:_CRC_FROM] = calc_crc32c(bytes(raw[_CRC_FROM:])).to_bytes(4)
    return bytes(raw)


async def produce(producer: AIOKafkaProducer, topic: str, partition: int, records: bytes) -> int:
    """Write a batch as it is; return its offset."""
    client = producer.client
    await client.set_topics([topic])
    leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
    request = ProduceRequest(
        transactional_id=None, required_acks=-1, timeout=5000, topics=[(topic, [(partition, records)])]
    )
    response = await client.send(leader, request)
    ((_, error, offset, *_),) = response.topics[0][1]
    assert error == 0, f"the broker refused the batch: {error}"
    return int(offset)
