"""What a query asks of the jobs, and what it is told when it is wrong."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.job_query import MOST, Page, read_cursor, read_old, read_page, read_stream, write_cursor
from service.errors import InvalidSubmission
from service.views.job_index import JobFilter
from service.views.recent_events import Position

CURSOR = write_cursor((1000, "abc"))


PHASES = "Queued, Pending, Starting, Running, Suspended, Succeeded, Failed, Deleting, Deleted, Unknown"
PARAMETERS = "project, user, status, phase, type, reason, name, since, until, deleted, limit, cursor"
TIME = "must be milliseconds since the epoch, or a time such as 2026-11-26T12:00:00Z"


def page(limit: int = MOST, after: Any = None, **wanted: Any) -> Page:
    return Page(JobFilter(**{"deleted": False} | wanted), limit, after)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([], page()),
        ([("project", "a"), ("project", "b")], page(projects=frozenset("ab"))),
        ([("limit", "7"), ("cursor", CURSOR)], page(7, (1000, "abc"))),
        ([("user", "John"), ("name", "x")], page(users=frozenset({"John"}), name="x")),
        ([("status", "RUNNING")], page(statuses=frozenset({"running"}))),
        ([("phase", "running"), ("phase", "Failed")], page(phases=frozenset({"Running", "Failed"}))),
        ([("type", "training")], page(types=frozenset({"Train"}))),
        ([("reason", "OverQuota")], page(reasons=frozenset({"OverQuota"}))),
        ([("since", "5"), ("until", "1970-01-01T00:00:01Z")], page(since=5, until=1000)),
        ([("since", "1970-01-01T01:00:01.500 01:00")], page(since=1500)),
        ([("deleted", "any")], page(deleted=None)),
        ([("deleted", "True")], page(deleted=True)),
    ],
)
def test_a_page(query: list[tuple[str, str]], expected: Page):
    assert read_page(query) == expected


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("projekt", "a", "is not a parameter; did you mean project?"),
        ("x", "a", f"is not a parameter; there are {PARAMETERS}"),
        ("phase", "Runing", f"must be one of {PHASES}"),
        ("type", "Batch", "must be one of Train, Interactive, Inference"),
        ("limit", "0", "must be a whole number from 1 to 1000"),
        ("limit", "1001", "must be a whole number from 1 to 1000"),
        ("limit", "9" * 5000, "must be a whole number from 1 to 1000"),
        ("limit", "", "must be a whole number from 1 to 1000"),
        ("deleted", "yes", "must be one of false, true, any"),
        ("since", "yesterday", TIME),
        ("until", "2026-11-26T12:00:00", TIME),
        ("cursor", "x", "is not a cursor of this service: take it from `next` of the page before"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, message: str):
    with pytest.raises(InvalidSubmission) as refused:
        read_page([(name, value)])
    assert [(fault.path, fault.message) for fault in refused.value.faults] == [(name, message)]


def test_all_faults_are_told_at_once():
    with pytest.raises(InvalidSubmission) as refused:
        read_page([("limit", "1"), ("limit", "2"), ("cursor", "x"), ("nam", "y")])
    assert [fault.path for fault in refused.value.faults] == ["nam", "limit", "cursor"]


def test_a_stream_has_the_same_filters_and_a_position():
    wanted = JobFilter(projects=frozenset({"a"}), phases=frozenset({"Failed"}))
    query = [("project", "a"), ("phase", "failed"), ("after", "1.2")]
    assert read_stream(query, Position.read) == (wanted, Position((1, 2)))
    assert read_stream([], Position.read) == (JobFilter(), None)
    for wrong in (("after", "x"), ("limit", "1")):
        with pytest.raises(InvalidSubmission):
            read_stream([wrong], Position.read)


def test_the_old_api_takes_what_its_edition_had():
    assert read_old([("project", "a")], ("project",)) == (frozenset({"a"}), None)
    assert read_old([("jobTypeFilter", "training")], ("jobTypeFilter",)) == (None, frozenset({"Train"}))
    with pytest.raises(InvalidSubmission):
        read_old([("project", "a")], ("jobTypeFilter",))


@given(st.integers(0, 2**62), st.text(min_size=1))
def test_a_cursor_comes_back(created_at: int, key: str):
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    assert read_cursor(write_cursor((created_at, key))) == (created_at, key)


@given(st.text())
def test_a_text_is_a_cursor_or_is_refused(text: str):
    with contextlib.suppress(ValueError):
        created_at, key = read_cursor(text)
        assert (created_at >= 0, type(key)) == (True, str)


@pytest.mark.parametrize("text", ["", "x", "!!", "bm8", "LjE", "LTEuYQ", "ą"])
def test_what_is_no_cursor(text: str):
    with pytest.raises(ValueError, match="is not a cursor"):
        read_cursor(text)
