"""Decodes record batches whose header names are not UTF-8.

aiokafka raises UnicodeDecodeError for such a name, and its consumer then never gets past the batch: one record of any
producer stops a partition for good. The Java client puts replacement characters in their place. No upstream issue.
"""

from typing import Any

from aiokafka.record.default_records import _DefaultRecordBatchPy


class _LenientBytes(bytearray):
    """Bytes whose slices decode without errors."""

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return _LenientBytes(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", _errors: str = "strict") -> str:
        return super().decode(encoding, "replace")


class LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's pure Python batch, which decodes slices of its buffer: slow, so only for batches that need it."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = _LenientBytes(self._buffer)
