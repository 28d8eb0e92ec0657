"""Outcomes as records: whole records compared, and any bytes at all read without an error."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnreadableRecord
from service.submission.identity import SubmissionId
from service.submission.outcomes import MAX_OUTCOME_BYTES, Outcome, outcome_record, read_outcome
from service.submission.record_headers import Headers
from service.submission.records import (
    NewRecord,
)
from tests.unit.given_records import ONE, PRINT, TEXT, TRACE, as_read, record

CREATED = Outcome(
    id=ONE,
    status=200,
    body={"name": "job-abc"},
    fingerprint=PRINT,
    user="jöhn",
    correlation_id="c-1",
    traceparent=TRACE,
    warnings=("would violate PodSecurity", "job.elastic has no effect"),
)
CONFLICT = Outcome(id=ONE, status=422, body={"status": 422, "message": "used before"}, fingerprint=PRINT, is_aside=True)


def test_an_outcome_as_a_cloud_event():
    assert outcome_record(CREATED, "job-outcomes", 3, 1_760_000_000.5) == NewRecord(
        topic="job-outcomes",
        partition=3,
        key=b"qauptv7mhbj4ujgun4ny3cc2rfym63ofaiemvixv7tc2cbbtooja",
        value=b'{"name":"job-abc"}',
        headers=(
            ("status", b"200"),
            ("ce_specversion", b"1.0"),
            ("ce_id", b"qauptv7mhbj4ujgun4ny3cc2rfym63ofaiemvixv7tc2cbbtooja"),
            ("ce_source", b"/job-submission"),
            ("ce_type", b"io.job-submission.outcome"),
            ("ce_time", b"2025-10-09T08:53:20.500Z"),
            ("content-type", b"application/json"),
            ("submission-source", b"/api/job/users/john/projects/team-a"),
            ("submission-id", b"k1"),
            ("fingerprint", PRINT.encode()),
            ("correlation-id", b"c-1"),
            ("ra-user", "jöhn".encode()),
            ("traceparent", TRACE.encode()),
            ("warnings", b"would violate PodSecurity\njob.elastic has no effect"),
        ),
    )


def test_a_conflict_does_not_displace_the_first_outcome():
    key = outcome_record(CONFLICT, "job-outcomes", 3, 0).key
    assert key == f"{ONE.key}.{PRINT}".encode()
    assert outcome_record(CREATED, "job-outcomes", 3, 0).key == ONE.key.encode()


@pytest.mark.parametrize("outcome", [CREATED, CONFLICT, Outcome(id=ONE, status=404, body={}, fingerprint=PRINT)])
def test_outcomes_round_trip(outcome: Outcome):
    assert read_outcome(as_read(outcome_record(outcome, "job-outcomes", 3, 0))) == outcome


@given(
    st.builds(
        Outcome,
        id=st.builds(SubmissionId, TEXT, TEXT),
        status=st.just(200) | st.integers(400, 599),
        body=st.dictionaries(TEXT, TEXT | st.lists(st.fixed_dictionaries({"path": TEXT, "message": TEXT}))),
        fingerprint=st.just(PRINT),
        user=st.none() | TEXT,
        correlation_id=st.none() | TEXT,
        traceparent=st.none() | st.just(TRACE),
        warnings=st.lists(TEXT).map(tuple),
        is_aside=st.booleans(),
    )
)
def test_any_outcome_round_trips(outcome: Outcome):
    assert read_outcome(as_read(outcome_record(outcome, "job-outcomes", 3, 0))) == outcome


def test_a_warning_of_several_lines_stays_one_warning():
    written = outcome_record(replace(CREATED, warnings=("one\ntwo", "three")), "job-outcomes", 3, 0)
    assert read_outcome(as_read(written)).warnings == ("one two", "three")


def test_details_too_long_for_a_record_are_left_out():
    faults = [{"path": f"job.x{i}", "message": "unknown"} for i in range(20_000)]
    body = {"status": 400, "message": "m" * 5000, "details": faults}
    size = len(orjson.dumps(body))
    assert size > MAX_OUTCOME_BYTES
    written = outcome_record(Outcome(id=ONE, status=400, body=body, fingerprint=PRINT), "job-outcomes", 3, 0)
    assert orjson.loads(written.value or b"") == {
        "status": 400,
        "message": "m" * 1024,
        "details": f"left out: the whole answer has {size} bytes, more than 524288",
    }


@pytest.mark.parametrize(("body", "name"), [({"name": "a"}, "a"), ({"name": 7}, None), ({"status": 400}, None)])
def test_the_name_of_an_outcome(body: dict[str, Any], name: str | None):
    assert Outcome(id=ONE, status=200, body=body, fingerprint=PRINT).name == name


def _changed(**headers: bytes | None) -> Headers:
    values = {**dict(outcome_record(CREATED, "job-outcomes", 3, 0).headers)}
    values |= {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    return tuple(
        (name, value) for name, value in values.items() if headers.get(name.replace("-", "_"), b"") is not None
    )


@pytest.mark.parametrize(
    ("headers", "key", "value", "reason"),
    [
        ((), None, None, "an outcome without the header submission-source"),
        (_changed(status=None), ONE.key, b"{}", "an outcome without the header status"),
        (_changed(fingerprint=None), ONE.key, b"{}", "an outcome without the header fingerprint"),
        (_changed(submission_id=b"\xff"), ONE.key, b"{}", "an outcome that cannot be read"),
        (_changed(), ONE.key, None, "an outcome that cannot be read"),
        (_changed(), ONE.key, b"{]", "an outcome that cannot be read"),
        (_changed(), ONE.key, b"[]", "an outcome whose body, status or fingerprint is none"),
        (_changed(status=b"2000"), ONE.key, b"{}", "an outcome whose body, status or fingerprint is none"),
        (_changed(fingerprint=b"AB" * 32), ONE.key, b"{}", "an outcome whose body, status or fingerprint is none"),
        (_changed(submission_id=b"k2"), ONE.key, b"{}", "an outcome whose key is not that of its submission"),
        (_changed(), "x", b"{}", "an outcome whose key is not that of its submission"),
        (_changed(), None, b"{}", "an outcome whose key is not that of its submission"),
    ],
)
def test_garbage_among_the_outcomes_is_unreadable(headers: Headers, key: str | None, value: bytes | None, reason: str):
    with pytest.raises(UnreadableRecord, match=f"^{reason}"):
        read_outcome(record(*headers, key=None if key is None else key.encode(), value=value))


OUTCOME_HEADERS = ("status", "submission-source", "submission-id", "fingerprint", "ra-user", "warnings")


@given(
    st.lists(st.tuples(st.sampled_from(OUTCOME_HEADERS), st.sampled_from([b"200", PRINT.encode()]) | st.binary())),
    st.none() | st.binary(),
    st.none() | st.just(b"{}") | st.binary(),
)
def test_any_record_is_an_outcome_or_unreadable(
    headers: list[tuple[str, bytes]], key: bytes | None, value: bytes | None
):
    try:
        outcome = read_outcome(record(*headers, key=key, value=value))
    except UnreadableRecord:
        return
    assert outcome.key.encode() == key
