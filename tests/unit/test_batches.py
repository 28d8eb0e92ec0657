"""Aiokafka's records as the service's own."""

from types import SimpleNamespace

from service.broker.batches import as_record
from service.submission.record_headers import MAX_HEADERS
from service.submission.records import Record, read_submission


def message(*headers: tuple[str, bytes | None]) -> SimpleNamespace:
    return SimpleNamespace(offset=1, timestamp=2, key=b"k", value=b"v", headers=headers)


def test_a_record_as_it_is_but_for_a_header_without_a_value():
    assert as_record("t", 3, message(("a", b"1"), ("b", None))) == Record(
        "t", 3, 1, 2, b"k", b"v", (("a", b"1"), ("b", b""))
    )


def test_of_a_hundred_thousand_headers_so_many_are_left_that_the_record_is_refused():
    found = as_record("t", 3, message(*((f"h{number}", b"") for number in range(100_000))))
    assert len(found.headers) == 2 * MAX_HEADERS
    assert read_submission(found).excess == "the record has more than 256 headers"
