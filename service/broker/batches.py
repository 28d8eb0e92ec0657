"""Takes record batches apart, whatever their bytes.

aiokafka decodes the names of headers strictly, so that one record of a stranger would stop the reading of its whole
partition for ever. Here a name that is no UTF-8 gets replacement characters, as in the Java client.
"""

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy

_BASE_OFFSET_BYTES = 8
_OVERHEAD_BYTES = 12  # base offset and length, which the length does not count


def read_batches(data: bytes) -> Iterator[tuple[list[Any], int]]:
    """Yield the records of each whole batch (format v2, Kafka 0.11) and the offset after it.

    Control batches, which end transactions, have no records. A batch that is cut off at the end is left out.
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
            records = list(_LenientBatch(data[start:end]))
        yield records, batch.next_offset
        start = end


class _LenientBytes(bytearray):
    """Bytes whose parts decode without errors."""

    def __getitem__(self, place: Any) -> Any:
        part = super().__getitem__(place)
        return _LenientBytes(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", _errors: str = "strict") -> str:
        return super().decode(encoding, "replace")


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's batch in pure Python, which decodes by slicing its buffer: slow, and only for what needs it."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = _LenientBytes(self._buffer)
