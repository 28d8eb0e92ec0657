"""Decodes what the brokers send: batches into aiokafka's records, and those into the service's."""

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatch

from service.broker.patches import LenientBatch
from service.submission.record_headers import MAX_HEADERS
from service.submission.records import Record

_BASE_OFFSET_BYTES = 8
_OVERHEAD_BYTES = 12  # base offset and length, which the length does not count


def read_batches(data: bytes) -> Iterator[tuple[list[Any], int]]:
    """Yield the records of each whole batch (format v2, Kafka 0.11) and the offset after it.

    Control batches, which end transactions, have no records. A batch that is cut off at the end is left out. Header
    names that are not UTF-8 get replacement characters.
    """
    start = 0
    while start + _OVERHEAD_BYTES <= len(data):
        (length,) = struct.unpack_from(">i", data, start + _BASE_OFFSET_BYTES)
        end = start + _OVERHEAD_BYTES + length
        if end > len(data):
            return
        batch = DefaultRecordBatch(data[start:end])
        try:
            records = [] if batch.is_control_batch else list(batch)
        except UnicodeDecodeError:
            records = list(LenientBatch(data[start:end]))
        yield records, batch.next_offset
        start = end


def as_record(topic: str, partition: int, message: Any) -> Record:
    """Return one of aiokafka's records as ours; the null that Kafka allows as a header's value becomes empty.

    Of more headers than any record has that is taken, or any dead letter, the rest is left out.
    """
    headers = tuple([(name, value or b"") for name, value in message.headers[: 2 * MAX_HEADERS]])
    return Record(topic, partition, message.offset, message.timestamp, message.key, message.value, headers)
