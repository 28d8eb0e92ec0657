"""Records: whole records compared, and any bytes at all read without an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Fault
from service.submission.identity import SubmissionId, record_id
from service.submission.record_headers import MAX_HEADER_BYTES, Headers, header
from service.submission.records import (
    MAX_SOURCE_BYTES,
    NewRecord,
    Record,
    Submission,
    read_submission,
    submission_record,
)
from tests.unit.given_records import (
    BODY,
    EVENT,
    FULL,
    KNOWN,
    MEDIA_TYPES,
    ONE,
    TEXT,
    TRACE,
    as_read,
    plain,
    record,
)


def test_a_submission_as_a_cloud_event():
    assert submission_record(FULL, "job-submissions") == NewRecord(
        topic="job-submissions",
        partition=None,
        key=b"qauptv7mhbj4ujgun4ny3cc2rfym63ofaiemvixv7tc2cbbtooja",
        value=BODY,
        headers=(
            ("ce_specversion", b"1.0"),
            ("ce_id", b"k1"),
            ("ce_source", b"/api/job/users/john/projects/team-a"),
            ("ce_type", b"io.job-submission.submission"),
            ("ce_time", b"2025-10-09T08:53:20.123Z"),
            ("content-type", b"application/json"),
            ("ra-user", "jöhn".encode()),
            ("correlation-id", b"c-1"),
            ("reply-topic", b"replies"),
            ("reply-partition", b"7"),
            ("traceparent", TRACE.encode()),
        ),
    )


def test_absent_parts_of_a_submission_have_no_header():
    submission = Submission(id=ONE, has_own_id=True, body=b"", received=0)
    assert [name for name, _ in submission_record(submission, "t").headers] == [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
    ]


@given(
    st.builds(
        Submission,
        id=st.builds(SubmissionId, TEXT, TEXT),
        has_own_id=st.just(value=True),
        body=st.binary(),
        received=st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000),
        user=st.none() | TEXT,
        content_type=st.none() | st.just("application/json; charset=utf-8"),
        correlation_id=st.none() | TEXT,
        reply_topic=st.none() | st.from_regex(r"[a-z][a-zA-Z0-9._-]{0,100}", fullmatch=True),
        reply_partition=st.none() | st.integers(0, 999_999_999),
        traceparent=st.none() | st.just(TRACE),
        header_faults=st.just(()),
        identity_fault=st.none(),
        excess=st.none(),
        warnings=st.just(()),
        is_cancel=st.booleans(),
        is_dry_run=st.booleans(),
        signature=st.none(),
        projects=st.none(),
    ).filter(lambda submission: not (submission.is_cancel and submission.is_dry_run))
)
def test_submissions_round_trip(submission: Submission):
    written = submission_record(submission, "job-submissions")
    assert read_submission(as_read(written, round(submission.received * 1000))) == submission


def test_a_user_that_is_no_utf8_travels_as_its_bytes_and_is_a_fault_there():
    user = b"j\xffhn".decode("utf-8", "surrogateescape")
    written = submission_record(FULL._replace(user=user), "job-submissions")
    assert header(written.headers, "ra-user") == b"j\xffhn"
    assert read_submission(as_read(written)) == FULL._replace(
        user=None, header_faults=(Fault("headers.ra-user", "must be UTF-8 text"),)
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), plain()),
        ((("unknown", b"\xff"),), plain()),
        ((("ce_id", b"7"),), plain(id=SubmissionId("/topics/job-submissions", "7"), has_own_id=True)),
        ((("ce_source", b"/s"),), plain()),
        ((("ce_id", b"7"), ("ce_source", b"/s")), plain(id=SubmissionId("/s", "7"), has_own_id=True)),
        ((("ce_id", b"7"), ("ce_id", b"7"), ("ce_source", b"/s")), plain(id=SubmissionId("/s", "7"), has_own_id=True)),
        (
            (("ce_id", b"i" * MAX_HEADER_BYTES), ("ce_source", b"s" * MAX_SOURCE_BYTES)),
            plain(id=SubmissionId("s" * MAX_SOURCE_BYTES, "i" * MAX_HEADER_BYTES), has_own_id=True),
        ),
        ((("ra-user", b"john"), ("correlation-id", b"c")), plain(user="john", correlation_id="c")),
        ((("ra-user", b""), ("correlation-id", b""), ("ce_specversion", b"")), plain()),
        ((("reply-topic", b"r.1_-"), ("reply-partition", b"0")), plain(reply_topic="r.1_-", reply_partition=0)),
        ((("traceparent", TRACE.encode()),), plain(traceparent=TRACE)),
        ((("traceparent", b"\xff"),), plain()),
        ((("traceparent", TRACE.encode() + b"\n"),), plain()),
        ((("content-type", b"application/x+json"),), plain(content_type="application/x+json")),
    ],
)
def test_headers_of_a_submission(headers: Headers, expected: Submission):
    assert read_submission(record(*headers)) == expected


def test_a_tombstone_is_an_empty_body():
    assert read_submission(record(value=None)) == plain(body=b"")


@pytest.mark.parametrize(
    ("headers", "fault", "seen"),
    [
        ((("ce_specversion", b"0.3"),), "must be 1.0, the version of CloudEvents that is understood", {}),
        (
            (("content-type", b"text/plain"),),
            MEDIA_TYPES,
            {"content_type": "text/plain"},
        ),
        (
            (("content-type", b"application/CloudEvents-batch+json"),),
            MEDIA_TYPES,
            {"content_type": "application/CloudEvents-batch+json"},
        ),
        ((("ra-user", b"a\nb"),), "must not contain control characters", {}),
        ((("ra-user", b"a\x7f"),), "must not contain control characters", {}),
        ((("ra-user", b"a"), ("ra-user", b"b")), "must be given once, not with several values", {}),
        ((("ra-user", b"x" * 1025),), "must be of 1 to 1024 bytes, not 1025", {}),
        ((("correlation-id", b"\x80" * 16),), "must be UTF-8 text", {}),
        ((("correlation-id", b"x" * 1_000_000),), "must be of 1 to 1024 bytes, not 1000000", {}),
        (
            (("reply-topic", b"a/b"),),
            "must be a topic's name: 1 to 249 letters, digits, dots, underscores and hyphens",
            {},
        ),
        (
            (("reply-topic", b".."),),
            "must be a topic's name: 1 to 249 letters, digits, dots, underscores and hyphens",
            {},
        ),
        ((("reply-partition", b"-1"),), "must be a partition's number in decimal digits", {}),
        ((("reply-partition", "٣".encode()),), "must be a partition's number in decimal digits", {}),
        ((("reply-partition", b"9999999999"),), "must be a partition's number in decimal digits", {}),
    ],
)
def test_faulty_headers_are_reported_and_count_as_absent(headers: Headers, fault: str, seen: dict[str, Any]):
    expected = plain(header_faults=(Fault(f"headers.{headers[0][0]}", fault),), **seen)
    assert read_submission(record(*headers)) == expected


def test_all_faulty_headers_are_reported_at_once():
    headers = (("reply-partition", b"x"), ("ce_id", b"7"), ("ra-user", b"\0"), ("ce_specversion", b"2"))
    assert [fault.path for fault in read_submission(record(*headers)).header_faults] == [
        "headers.ce_specversion",
        "headers.reply-partition",
        "headers.ra-user",
    ]


def spellings(name: str) -> st.SearchStrategy[str]:
    """Give the ways in which people write a name: any letter case, hyphens for underscores and the other way round."""
    letters = [st.sampled_from("-_") if each in "-_" else st.sampled_from([each, each.upper()]) for each in name]
    return st.tuples(*letters).map("".join)


@given(st.data())
def test_headers_mean_the_same_however_their_names_are_written(data):
    headers = submission_record(FULL, "job-submissions").headers
    written = tuple((data.draw(spellings(name)), value) for name, value in headers)
    assert read_submission(record(*written, value=FULL.body)) == FULL


@given(spellings("ce_id"), spellings("ce_id"), st.booleans())
def test_two_spellings_of_an_id_must_agree(one: str, other: str, agree: bool):
    submission = read_submission(record((one, b"7"), (other, b"7" if agree else b"8")))
    assert submission.has_own_id is agree
    assert submission.identity_fault == (None if agree else "header ce_id must be given once, not with several values")


@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency_key", "IDEMPOTENCY-KEY"])
def test_an_idempotency_key_is_an_id(name: str):
    mine = plain(id=SubmissionId("/topics/job-submissions", "7"), has_own_id=True)
    assert read_submission(record((name, b"7"))) == mine
    assert read_submission(record((name, b"7"), ("ce_id", b"7"))) == mine
    assert read_submission(record((name, b"7"), ("ce_id", b"8"))) == plain(
        identity_fault="the record has several ids: ce_id, Idempotency-Key and the event's id must be the same"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ceid", "ce_id"),
        ("ce.source", "ce_source"),
        ("source", "ce_source"),
        ("rauser", "ra-user"),
        ("ra-usr", "ra-user"),
        ("X-RA-USER", "ra-user"),
        ("RA-USERS", "ra-user"),
        ("correlationId", "correlation-id"),
        ("corelation-id", "correlation-id"),
        ("kafka_correlationId", "correlation-id"),
        ("kafka_replyTopic", "reply-topic"),
        ("trace-parent", "traceparent"),
        ("contentType", "content-type"),
        ("IdempotencyKey", "idempotency-key"),
        ("ce_type", None),
        ("CE-Time", None),
        ("ce_subject", None),
        ("ce_partitionkey", None),
        ("tracestate", None),
        ("b3", None),
        ("__TypeId__", None),
        ("user", None),
        ("id", None),
        ("content-encoding", None),
        ("kafka_deliveryAttempt", None),
        ("kafka_dlt-original-topic", None),
        ("x" * 10_000, None),
        ("rauser\n", None),
        ("ra\u017fuser", None),
        ("", None),
    ],
)
def test_a_name_that_looks_like_one_of_ours_is_named_in_a_warning(name: str, meant: str | None):
    warnings = () if meant is None else (f"headers.{name}: is not read; did you mean {meant}?",)
    assert read_submission(record((name, b"v"))) == plain(warnings=warnings)


def test_headers_beyond_the_bound_are_not_read():
    few, many = [(f"h{number}", b"v") for number in range(255)], [(f"h{number}", b"v") for number in range(256)]
    assert read_submission(record(*few, ("ce_id", b"7"))).id == SubmissionId("/topics/job-submissions", "7")
    assert read_submission(record(*many, ("ce_id", b"7"))) == plain(excess="the record has more than 256 headers")


def test_a_body_above_the_limit_is_told():
    assert read_submission(record(), len(BODY)) == plain()
    excess = f"the body is larger than {len(BODY) - 1} bytes"
    assert read_submission(record(), len(BODY) - 1) == plain(excess=excess)


def test_no_more_warnings_than_a_person_reads():
    names = [f"ra-user-{number}" for number in range(10_000)]
    assert len(read_submission(record(*((name, b"v") for name in names))).warnings) <= 16


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((("ce_id", b""),), "header ce_id must be of 1 to 1024 bytes, not 0"),
        ((("ce_id", b"x" * 1025),), "header ce_id must be of 1 to 1024 bytes, not 1025"),
        ((("ce_id", b"\xff"),), "header ce_id must be UTF-8 text"),
        ((("ce_id", b"a\0"),), "header ce_id must not contain control characters"),
        ((("ce_id", b"a"), ("ce_id", b"b")), "header ce_id must be given once, not with several values"),
        ((("ce_id", b"a"), ("ce_source", b"")), "header ce_source must be of 1 to 4096 bytes, not 0"),
        ((("ce_source", b"s" * 4097),), "header ce_source must be of 1 to 4096 bytes, not 4097"),
        ((("ce_source", b"a"), ("ce_source", b"b")), "header ce_source must be given once, not with several values"),
    ],
)
def test_a_broken_identity_is_a_fault_and_the_records_offset_takes_its_place(headers: Headers, reason: str):
    assert read_submission(record(*headers, ("correlation-id", b"c"))) == plain(
        identity_fault=reason, correlation_id="c"
    )


@given(
    st.lists(st.tuples(st.sampled_from(KNOWN) | st.text(), st.binary() | TEXT.map(str.encode) | st.just(EVENT))),
    st.none() | st.binary() | st.just(b'{"specversion": "1.0", "id": "1"}'),
    st.integers(-1, 2**63 - 1),
)
def test_any_record_is_a_submission(headers: list[tuple[str, bytes]], value: bytes | None, timestamp: int):
    given = Record("t", 0, 0, timestamp, None, value, tuple(headers))
    submission = read_submission(given)
    if not submission.has_own_id:
        assert submission.id == record_id("t", 0, 0, timestamp)
    if submission.identity_fault is not None:
        assert not submission.has_own_id
