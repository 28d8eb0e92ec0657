"""What a cancel may say, and the records that go with it."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Fault, InvalidSubmission
from service.submission.cancels import (
    MAX_JOBS,
    Cancel,
    JobName,
    cancel_record,
    lookup_id,
    order_of,
    read_cancel,
    read_job_names,
    request_fingerprint,
    resolution_id,
)
from service.submission.identity import SubmissionId, fingerprint, is_submission_key
from service.submission.records import CANCEL_TYPE, Record, Submission, read_submission
from service.worker.work_queue import read_work

KEY = SubmissionId("/tests", "one").key
ID_RULE = "must be the id of a submission, 52 characters of a-z and 2-7"
TARGET = 'must name a "submission" by its id, or a job by its "project" and "name"'
PROJECT_RULE = "must be 1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"


@pytest.mark.parametrize(
    ("given", "cancel"),
    [
        ({"submission": KEY}, Cancel(submission=KEY)),
        ({"project": "team-a", "name": "train"}, Cancel(project="team-a", name="train")),
        (
            {"submission": KEY, "project": "team-a", "name": "train"},
            Cancel(submission=KEY, project="team-a", name="train"),
        ),
    ],
)
def test_a_cancel_names_a_submission_or_a_job(given, cancel):
    assert read_cancel(json.dumps({"cancel": given}).encode()) == cancel
    assert read_cancel(cancel.body()) == cancel


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({}, [("cancel", f"is required: it {TARGET}")]),
        (
            {"job": {}},
            [("cancel", f"is required: it {TARGET}"), ("job", 'is not known here beside "cancel"')],
        ),
        ({"cancel": {}}, [("cancel", TARGET)]),
        ({"cancel": None}, [("cancel", "must be an object")]),
        ({"cancel": {"submission": "x"}}, [("cancel.submission", ID_RULE)]),
        ({"cancel": {"submission": 1}}, [("cancel.submission", "must be a string")]),
        ({"cancel": {"project": "team-a"}}, [("cancel", TARGET)]),
        ({"cancel": {"name": "train"}}, [("cancel", TARGET)]),
        ({"cancel": {"submission": KEY, "name": "train"}}, [("cancel", TARGET)]),
        ({"cancel": {"project": "A", "name": "train"}}, [("cancel.project", PROJECT_RULE)]),
        ({"cancel": {"submision": KEY}}, [("cancel.submision", "is not a parameter; did you mean submission?")]),
        (
            {"cancel": {"submission": KEY}, "why": "x"},
            [("why", 'is not known here beside "cancel"')],
        ),
    ],
)
def test_every_fault_of_a_cancel_is_named(document, faults):
    with pytest.raises(InvalidSubmission) as refused:
        read_cancel(json.dumps(document).encode())
    assert refused.value.faults == tuple(Fault(*fault) for fault in faults)


@given(
    st.binary() | st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(json.dumps)
)
def test_whatever_a_cancel_holds_it_is_read_or_refused(body):
    body = body.encode() if isinstance(body, str) else body
    with contextlib.suppress(InvalidSubmission):
        assert is_submission_key(read_cancel(body).order)


def cancelling(body: bytes, **more) -> Submission:
    return Submission(SubmissionId("/tests", "cancel-1"), True, body, 0.0, is_cancel=True, **more)


@pytest.mark.parametrize(
    ("submission", "order"),
    [
        (cancelling(Cancel(submission=KEY).body()), KEY),
        (cancelling(Cancel(submission=KEY, project="a", name="b").body()), KEY),
        (cancelling(Cancel(project="a", name="b").body()), lookup_id(JobName(project="a", name="b")).key),
        (cancelling(b"nonsense"), SubmissionId("/tests", "cancel-1").key),
        (
            cancelling(Cancel(submission=KEY).body(), header_faults=(Fault("headers.x", "is wrong"),)),
            SubmissionId("/tests", "cancel-1").key,
        ),
        (cancelling(Cancel(submission=KEY).body(), excess="too large"), SubmissionId("/tests", "cancel-1").key),
        (Submission(SubmissionId("/tests", "one"), True, Cancel(project="a", name="b").body(), 0.0), KEY),
    ],
)
def test_a_cancel_is_ordered_with_what_it_cancels_and_one_to_be_refused_by_itself(submission, order):
    assert order_of(submission) == order


def test_cancels_have_turns_of_their_own():
    """Else they would wait for a slot behind the creates of their project that wait for the end of an outage."""
    headers = (("ce_type", CANCEL_TYPE.encode()),)
    body = Cancel(project="team-a", name="train").body()
    assert read_work(Record("t", 0, 0, 0, None, body, headers), 1000).project == b""
    assert read_work(Record("t", 0, 0, 0, None, body), 1000).project == b"team-a"


def test_to_look_a_name_up_does_not_make_another_request_of_it():
    asked, found = Cancel(project="a", name="b"), Cancel(submission=KEY, project="a", name="b")
    assert asked.fingerprint() == found.fingerprint() == fingerprint(asked.body())
    assert Cancel(submission=KEY).fingerprint() == fingerprint(Cancel(submission=KEY).body())
    assert (
        len({asked.fingerprint(), Cancel(submission=KEY).fingerprint(), Cancel(project="a", name="c").fingerprint()})
        == 3
    )
    assert request_fingerprint(cancelling(b"nonsense")) == fingerprint(b"nonsense")


def test_the_notes_of_lookups_are_told_apart():
    cancel = SubmissionId("/tests", "cancel-1")
    jobs = [JobName(project="a", name="b"), JobName(project="a", name="c"), JobName(project="b", name="b")]
    assert len({lookup_id(job).key for job in jobs} | {resolution_id(cancel).key, cancel.key}) == 5


@pytest.mark.parametrize("content_type", ["application/cloudevents+json", None])
def test_a_cancel_that_is_written_again_is_the_same_cancel(content_type):
    first = cancelling(b"as it came", content_type=content_type, user="john", correlation_id="c", reply_topic="mine")
    found = Cancel(submission=KEY, project="a", name="b")
    written = cancel_record(first, found, "in")
    assert (written.topic, written.partition, written.key) == ("in", None, KEY.encode())
    read = read_submission(Record("in", 0, 0, 0, written.key, written.value, written.headers))
    assert read == first._replace(body=found.body(), content_type="application/json")
    assert dict(written.headers)["ce_type"] == CANCEL_TYPE.encode()


def test_a_structured_event_can_be_a_cancel():
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": CANCEL_TYPE, "data": {"cancel": {}}}
    headers = (("content-type", b"application/cloudevents+json"),)
    assert read_submission(Record("in", 0, 0, 0, None, json.dumps(event).encode(), headers)).is_cancel


@pytest.mark.parametrize(
    ("body", "jobs"),
    [
        ({"project": "a", "name": "b"}, ["a/b"]),
        ([{"project": "a", "name": "b"}, {"name": "b", "project": "c"}], ["a/b", "c/b"]),
    ],
)
def test_the_body_of_the_old_api_is_one_job_or_a_list(body, jobs):
    assert [f"{job.project}/{job.name}" for job in read_job_names(json.dumps(body).encode())] == jobs


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"[{}", b'[{"project": "a", "name": "b"}], "jobs": []', b"[" * 9999, b"3"]
)
def test_any_other_body_is_refused(body):
    with pytest.raises(InvalidSubmission):
        read_job_names(body)


def test_a_list_is_not_endless():
    job = {"project": "a", "name": "b"}
    assert len(read_job_names(json.dumps([job] * MAX_JOBS).encode())) == MAX_JOBS
    with pytest.raises(InvalidSubmission, match=f"must list 1 to {MAX_JOBS} jobs"):
        read_job_names(json.dumps([job] * (MAX_JOBS + 1)).encode())


def test_every_fault_of_a_list_has_its_place():
    with pytest.raises(InvalidSubmission) as refused:
        read_job_names(b'[{"project": "a", "name": "b"}, {"project": "A"}, 3]')
    assert refused.value.faults == (
        Fault("[1].project", PROJECT_RULE),
        Fault("[1].name", "is required"),
        Fault("[2]", "must be an object"),
    )
