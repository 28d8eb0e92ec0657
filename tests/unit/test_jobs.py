"""The index of the jobs: what a listing gives while the jobs change."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.submission.job_events import EventKind, JobEvent, JobState, Phase
from service.views.jobs import JobFilter, JobIndex, read_cursor, write_cursor


def event(number: int, sequence: int = 1, *, uid: str | None = None, **more: Any) -> JobEvent:
    state = {
        "id": uid or f"u{number}",
        "submission": f"s{number}",
        "cluster": "main",
        "project": "team-a",
        "name": f"job-{number}",
        "namespace": "runai-team-a",
        "user": "john",
        "status": "Running",
        "phase": Phase.RUNNING,
        "created_at": 1000 + number // 3,  # some of the same millisecond
        **more,
    }
    return JobEvent(state=JobState(**state), sequence=sequence, kind=EventKind.RUNNING, at=1)


def put(index: JobIndex, one: JobEvent) -> bool:
    return index.put(one, one.state.value())


def listed(index: JobIndex, wanted: JobFilter = JobFilter()) -> list[str]:  # noqa: B008 - frozen
    return [entry.name for step in index.scan(wanted, None) for entry in step]


def test_the_newest_comes_first():
    index = JobIndex()
    for number in (4, 0, 9, 7):
        put(index, event(number))
    assert listed(index) == ["job-9", "job-7", "job-4", "job-0"]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (JobFilter(), ["job-2", "job-1"]),
        (JobFilter(deleted=None), ["job-3", "job-2", "job-1"]),
        (JobFilter(deleted=True), ["job-3"]),
        (JobFilter(projects=frozenset({"team-b"})), ["job-2"]),
        (JobFilter(projects=frozenset()), []),
        (JobFilter(user="jill"), ["job-2"]),
        (JobFilter(status="pending"), ["job-1"]),
        (JobFilter(phase="Running"), ["job-2"]),
        (JobFilter(type="interactive"), ["job-2"]),
        (JobFilter(name="b-1"), ["job-1"]),
        (JobFilter(reason="OverQuota"), []),
        (JobFilter(since=2000), ["job-2"]),
        (JobFilter(until=2000), ["job-1"]),
    ],
)
def test_filters(wanted: JobFilter, names: list[str]):
    index = JobIndex()
    put(index, event(1, status="Pending", phase=Phase.PENDING, created_at=1000))
    put(index, event(2, project="team-b", user="jill", type="Interactive", created_at=2000))
    put(index, event(3, phase=Phase.DELETED, status="Deleted", deleted_at=9, created_at=3000))
    assert listed(index, wanted) == names


def test_an_event_that_is_known_or_older_changes_nothing():
    index = JobIndex()
    assert put(index, event(1, 3, status="Running"))
    assert not put(index, event(1, 3, status="Pending"))
    assert not put(index, event(1, 2, status="Pending"))
    assert index.newest("team-a", "job-1").status == "Running"


def test_the_newest_of_a_name_is_found_and_the_one_before_when_its_history_has_ended():
    index = JobIndex()
    put(index, event(1, name="train", created_at=1))
    put(index, event(2, name="train", created_at=2))
    assert index.newest("team-a", "train").key == "s2"
    index.remove("s2")
    assert index.newest("team-a", "train").key == "s1"
    index.remove("s1")
    assert (index.newest("team-a", "train"), len(index), index.of_submission("s1")) == (None, 0, None)


def test_a_name_that_is_not_there_has_neighbours():
    index = JobIndex()
    put(index, event(1, name="train-resnet"))
    put(index, event(2, name="train-resnet", project="team-b"))
    put(index, event(3, name="bake"))
    assert index.nearest("team-a", "train-resnt") == ["train-resnet"]


@given(st.integers(min_value=0), st.text(min_size=1))
def test_a_cursor_comes_back(created_at: int, uid: str):
    try:
        uid.encode()
    except UnicodeEncodeError:
        return
    assert read_cursor(write_cursor((created_at, uid))) == (created_at, uid)


@pytest.mark.parametrize("text", ["", "x", "!!", "bm8", "LjE", "ą"])
def test_what_is_no_cursor(text: str):
    with pytest.raises(ValueError, match="is not a cursor"):
        read_cursor(text)


CHANGES = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["put", "remove", "anew"])), max_size=40)


@given(st.sets(st.integers(0, 60), min_size=1), st.lists(CHANGES, max_size=12))
def test_what_is_there_throughout_a_listing_comes_exactly_once(there: set[int], changes: list[Any]):
    index, sequence = JobIndex(), 1
    for number in there:
        put(index, event(number))
    staying = {f"job-{number}" for number in there}
    seen: list[str] = []
    after = None
    for round_ in [*changes, *([[]] * 100)]:
        page = [entry for step in index.scan(JobFilter(), after) for entry in step][:5]
        seen += [entry.name for entry in page]
        if not page:
            break
        after = read_cursor(write_cursor(page[-1].position))
        for number, change in round_:
            sequence += 1
            if change == "put":
                put(index, event(number, sequence))
            else:
                index.remove(f"s{number}")
                staying.discard(f"job-{number}")
                if change == "anew":
                    put(index, event(number, sequence, uid=f"v{sequence}"))
    assert [name for name in staying if seen.count(name) != 1] == []
