"""Dead letters: records that cannot be handled, set aside byte for byte, and their way back.

The consumer writes them; `job-submission dead-letters` lists, shows and replays them. The added headers are those of
Spring Kafka's DeadLetterPublishingRecoverer (numbers big-endian, as Java writes them), so that other tools read them.
They come after the record's own headers, which are kept whatever their names.
"""

from dataclasses import dataclass
from typing import Final

from service.errors import UnreadableRecord
from service.submission.record_headers import Headers, header, header_name
from service.submission.records import NewRecord, Record, read_submission

ATTEMPT: Final = "kafka_deliveryAttempt"
"""How often the record was tried. It travels in the record, so that neither a rebalance nor a replay resets it."""

_TOPIC: Final = "kafka_dlt-original-topic"
_PARTITION: Final = "kafka_dlt-original-partition"
_OFFSET: Final = "kafka_dlt-original-offset"
_TIMESTAMP: Final = "kafka_dlt-original-timestamp"
_CLASS: Final = "kafka_dlt-exception-fqcn"
_MESSAGE: Final = "kafka_dlt-exception-message"
_ADDED: Final = (_TOPIC, _PARTITION, _OFFSET, _TIMESTAMP, _CLASS, _MESSAGE, ATTEMPT)

_INT, _LONG = 4, 8  # bytes of Java's types
_MAX_MESSAGE: Final = 2000  # characters of an error: a dead letter has to fit where its record did


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be handled, and why; `attempts` counts all tries, those before replays included."""

    original: Record
    error_class: str
    message: str
    attempts: int


def _java_int(number: int) -> bytes:
    return min(number, 2**31 - 1).to_bytes(_INT)  # the count comes from the record and may already be the largest


def delivery_attempts(record: Record) -> int:
    """Return how often a record was tried before it came here; 0 where it does not say."""
    count = header(record.headers, ATTEMPT)
    return int.from_bytes(count) if count is not None and len(count) == _INT else 0


def dead_letter_record(record: Record, error_class: str, message: str, topic: str, attempts: int) -> NewRecord:
    """Set `record` aside for `topic`: key, value and headers as they are; the reason and where it stood are added.

    `attempts` is the number of all tries, those of `delivery_attempts(record)` included.
    """
    added = (
        (_TOPIC, record.topic.encode()),
        (_PARTITION, record.partition.to_bytes(_INT)),
        (_OFFSET, record.offset.to_bytes(_LONG)),
        (_TIMESTAMP, record.timestamp.to_bytes(_LONG, signed=True)),
        (_CLASS, error_class.encode("utf-8", "replace")),
        (_MESSAGE, message[:_MAX_MESSAGE].encode("utf-8", "replace")),
        (ATTEMPT, _java_int(attempts)),
    )
    return NewRecord(topic, None, record.key, record.value, record.headers + added)


def read_dead_letter(record: Record) -> DeadLetter:
    """Return what a record of the dead-letter topic holds; raises UnreadableRecord where it is not one of ours."""
    headers = list(record.headers)
    added: dict[str, bytes] = {}
    for name in _ADDED:
        index = next((i for i in reversed(range(len(headers))) if headers[i][0] == name), None)
        if index is None:
            raise UnreadableRecord(f"a dead letter without the header {name}")
        added[name] = headers.pop(index)[1]
    if (len(added[_PARTITION]), len(added[_OFFSET]), len(added[_TIMESTAMP])) != (_INT, _LONG, _LONG):
        raise UnreadableRecord("a dead letter whose partition, offset or timestamp is no integer of Java")
    original = Record(
        topic=added[_TOPIC].decode("utf-8", "replace"),
        partition=int.from_bytes(added[_PARTITION]),
        offset=int.from_bytes(added[_OFFSET]),
        timestamp=int.from_bytes(added[_TIMESTAMP], signed=True),
        key=record.key,
        value=record.value,
        headers=tuple(headers),
    )
    error_class, message = (added[name].decode("utf-8", "replace") for name in (_CLASS, _MESSAGE))
    return DeadLetter(original, error_class, message, delivery_attempts(record))


def retry_record(record: Record, attempts: int) -> NewRecord:
    """Return `record` to be produced again into its partition, with the number of tries so far.

    Key, value, headers and partition are the original ones, so that the duplicate window finds what was done before. A
    record identified by its offset gets that identity as `ce_source` and `ce_id`: its new offset would be another one.
    """
    headers: Headers = tuple(pair for pair in record.headers if pair[0] != ATTEMPT)
    submission = read_submission(record)
    if not submission.has_own_id and submission.identity_fault is None:
        headers = (
            *(pair for pair in headers if header_name(pair[0]) != "ce_source"),
            ("ce_source", submission.id.source.encode()),
            ("ce_id", submission.id.id.encode()),
        )
    headers = (*headers, (ATTEMPT, _java_int(attempts)))
    return NewRecord(record.topic, record.partition, record.key, record.value, headers)


def replayed_record(dead_letter: Record) -> NewRecord:
    """Turn a record of the dead-letter topic into the submission it was, to be produced again.

    Raises UnreadableRecord where it is not a dead letter of ours.
    """
    letter = read_dead_letter(dead_letter)
    return retry_record(letter.original, letter.attempts)
