"""Dead letters keep every byte, and a replay keeps the identity."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnreadableRecord
from service.submission.dead_letters import (
    ATTEMPT,
    DeadLetter,
    dead_letter_record,
    delivery_attempts,
    read_dead_letter,
    replayed_record,
    retry_record,
)
from service.submission.identity import SubmissionId, record_id
from service.submission.record_headers import Headers
from service.submission.records import NewRecord, Record, read_submission

ORIGINAL = Record("job-submissions", 3, 41, 1_760_000_000_123, b"\xffkey", b"\xffvalue", (("h", b"\xff"), ("h", b"")))
LETTER = NewRecord(
    topic="dead",
    partition=None,
    key=b"\xffkey",
    value=b"\xffvalue",
    headers=(
        ("h", b"\xff"),
        ("h", b""),
        ("kafka_dlt-original-topic", b"job-submissions"),
        ("kafka_dlt-original-partition", b"\0\0\0\x03"),
        ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\0\x29"),
        ("kafka_dlt-original-timestamp", b"\x00\x00\x01\x99\xc8\x2c\xc0\x7b"),
        ("kafka_dlt-exception-fqcn", b"builtins.KeyError"),
        ("kafka_dlt-exception-message", "'ü'".encode()),
        ("kafka_deliveryAttempt", b"\0\0\0\x02"),
    ),
)
NAMES = st.sampled_from(["ce_id", "ce_source", ATTEMPT, *dict(LETTER.headers)]) | st.text(max_size=5)
RECORDS = st.builds(
    Record,
    topic=st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp=st.integers(-1, 2**63 - 1),
    key=st.none() | st.binary(),
    value=st.none() | st.binary(),
    headers=st.lists(st.tuples(NAMES, st.binary(max_size=10))).map(tuple),
)


def as_read(new: NewRecord) -> Record:
    return Record(new.topic, new.partition or 0, 99, 1_770_000_000_000, new.key, new.value, new.headers)


def test_an_event_without_an_id_keeps_its_identity_though_it_names_a_source():
    event = b'{"specversion": "1.0", "source": "/s", "type": "t", "data": {"job": {"project": "team-a"}}}'
    first = Record("in", 3, 41, 7, None, event, (("content-type", b"application/cloudevents+json"),))
    again = retry_record(first, 1)
    second = Record(again.topic, 3, 99, 8, again.key, again.value, again.headers)
    assert read_submission(second).id == read_submission(first).id == record_id("in", 3, 41, 7)


def test_a_dead_letter_has_the_headers_of_spring():
    assert dead_letter_record(ORIGINAL, "builtins.KeyError", "'ü'", "dead", 2) == LETTER


def test_a_dead_letter_is_read_as_the_record_and_the_reason():
    assert read_dead_letter(as_read(LETTER)) == DeadLetter(ORIGINAL, "builtins.KeyError", "'ü'", 2)


@given(RECORDS, st.text(), st.text(max_size=2000), st.integers(0, 2**31 - 1))
def test_any_record_comes_back_byte_for_byte(record: Record, error_class: str, message: str, attempts: int):
    letter = dead_letter_record(record, error_class, message, "dead", attempts)
    assert read_dead_letter(as_read(letter)) == DeadLetter(record, error_class, message, attempts)


def test_headers_added_on_the_way_do_not_hide_the_original():
    letter = as_read(LETTER)
    moved = Record(letter.topic, 0, 1, 2, letter.key, letter.value, (*letter.headers, ("mirror", b"1")))
    assert read_dead_letter(moved).original.headers == (*ORIGINAL.headers, ("mirror", b"1"))


def test_long_and_odd_messages_are_made_to_fit():
    letter = dead_letter_record(ORIGINAL, "x", "\ud800" + "y" * 1_000_000, "dead", 1)
    assert dict(letter.headers)["kafka_dlt-exception-message"] == b"?" + b"y" * 1999


def test_a_replay_of_an_anonymous_record_keeps_its_identity():
    replayed = replayed_record(as_read(LETTER))
    assert replayed == NewRecord(
        topic="job-submissions",
        partition=3,
        key=b"\xffkey",
        value=b"\xffvalue",
        headers=(
            ("h", b"\xff"),
            ("h", b""),
            ("ce_source", b"/topics/job-submissions/partitions/3"),
            ("ce_id", b"41-1760000000123"),
            ("kafka_deliveryAttempt", b"\0\0\0\x02"),
        ),
    )
    assert read_submission(as_read(replayed)).id == read_submission(ORIGINAL).id


def _identity(record: Record) -> object:
    submission = read_submission(record)
    return submission.identity_fault or submission.id


@given(RECORDS.filter(lambda record: len(record.topic) > 0))
def test_a_replay_of_any_record_keeps_identity_key_value_and_partition(record: Record):
    replayed = replayed_record(as_read(dead_letter_record(record, "x", "y", "dead", 1)))
    assert (replayed.topic, replayed.partition, replayed.key, replayed.value) == (
        record.topic,
        record.partition,
        record.key,
        record.value,
    )
    assert _identity(as_read(replayed)) == _identity(record)


def test_a_replay_of_a_structured_event_keeps_the_events_own_id():
    value = b'{"specversion": "1.0", "id": "7", "source": "/s", "data": {}}'
    event = Record("t", 0, 1, 2, None, value, (("Content-Type", b"application/cloudevents+json"),))
    assert retry_record(event, 1).headers == (*event.headers, (ATTEMPT, b"\0\0\0\x01"))
    assert read_submission(as_read(retry_record(event, 1))).id == SubmissionId("/s", "7")


def test_a_stray_source_does_not_split_the_identity_of_an_anonymous_record():
    stray = Record("t", 0, 1, 2, None, b"", (("ce_source", b"/stray"),))
    assert read_submission(as_read(retry_record(stray, 1))).id == record_id("t", 0, 1, 2)


@pytest.mark.parametrize(
    ("headers", "attempts"),
    [
        ((), 0),
        (((ATTEMPT, b"\0\0\0\x05"),), 5),
        (((ATTEMPT, b"\0\0\0\x05"), (ATTEMPT, b"\0\0\0\x06")), 6),
        (((ATTEMPT, b"5"),), 0),
    ],
)
def test_delivery_attempts(headers: Headers, attempts: int):
    assert delivery_attempts(Record("t", 0, 0, 0, None, None, headers)) == attempts


def test_attempts_travel_through_retry_dead_letter_and_replay():
    tried = as_read(retry_record(as_read(retry_record(ORIGINAL, 1)), 2))
    assert [value for name, value in tried.headers if name == ATTEMPT] == [b"\0\0\0\x02"]
    letter = as_read(dead_letter_record(tried, "x", "y", "dead", delivery_attempts(tried) + 1))
    assert delivery_attempts(as_read(replayed_record(letter))) == 3


def test_a_strangers_count_of_attempts_cannot_overflow():
    tried = as_read(retry_record(Record("t", 0, 0, 0, None, None, ((ATTEMPT, b"\xff" * 4),)), 2**32))
    assert delivery_attempts(tried) == 2**31 - 1


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((), "a dead letter without the header kafka_dlt-original-topic"),
        (LETTER.headers[:-1], "a dead letter without the header kafka_deliveryAttempt"),
        (
            (*LETTER.headers, ("kafka_dlt-original-partition", b"3")),
            "a dead letter whose partition, offset or timestamp is no integer of Java",
        ),
    ],
)
def test_what_is_no_dead_letter_is_unreadable(headers: Headers, reason: str):
    with pytest.raises(UnreadableRecord, match=f"^{re.escape(reason)}$"):
        replayed_record(Record("dead", 0, 0, 0, None, None, headers))
