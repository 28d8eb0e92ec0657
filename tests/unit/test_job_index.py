"""The index of the jobs: what a listing gives while the jobs change."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.submission.job_events import JobEvent, Phase
from service.views import job_index
from service.views.job_index import JobEntry, JobFilter, JobIndex
from tests.unit.job_events import job_event, key


def put(index: JobIndex, event: JobEvent) -> JobEntry | None:
    return index.put(event, event.state.value())


def listed(index: JobIndex, wanted: JobFilter = JobFilter()) -> list[str]:  # noqa: B008 - frozen
    return [entry.name for step in index.scan(wanted, None) for entry in step]


def test_the_newest_comes_first():
    index = JobIndex()
    for number in (4, 0, 9, 7):
        put(index, job_event(number))
    assert listed(index) == ["job-9", "job-7", "job-4", "job-0"]


def test_a_job_is_what_its_event_says():
    index = JobIndex()
    event = job_event(1, 7, status="ImagePullBackOff", phase=Phase.PENDING, type="Interactive")
    entry = put(index, event)
    assert entry == index.newest("team-a", "job-1")
    assert entry[:-1] == (
        1000,
        key(1),
        "uid-1",
        7,
        "team-a",
        "job-1",
        "john",
        "ImagePullBackOff",
        "Pending",
        "Interactive",
        None,
        False,
    )
    assert entry.value == event.state.value()
    assert (entry.position, len(entry.packed) < len(entry.value) / 2) == ((1000, key(1)), True)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (JobFilter(), ["job-3", "job-2", "job-1"]),
        (JobFilter(deleted=False), ["job-2", "job-1"]),
        (JobFilter(deleted=True), ["job-3"]),
        (JobFilter(projects=frozenset({"team-b"})), ["job-2"]),
        (JobFilter(projects=frozenset({"team-a", "team-c"})), ["job-3", "job-1"]),
        (JobFilter(projects=frozenset({"team-a", "team-b", "team-c"})), ["job-3", "job-2", "job-1"]),
        (JobFilter(projects=frozenset({"team-c"})), []),
        (JobFilter(projects=frozenset()), []),
        (JobFilter(users=frozenset({"jill"})), ["job-2"]),
        (JobFilter(statuses=frozenset({"pending", "deleted"})), ["job-3", "job-1"]),
        (JobFilter(phases=frozenset({"Running"})), ["job-2"]),
        (JobFilter(types=frozenset({"Interactive"})), ["job-2"]),
        (JobFilter(reasons=frozenset({"OverQuota"})), ["job-1"]),
        (JobFilter(name="b-1"), ["job-1"]),
        (JobFilter(since=2000), ["job-3", "job-2"]),
        (JobFilter(until=2000), ["job-1"]),
        (JobFilter(since=2000, until=3000), ["job-2"]),
        (JobFilter(since=3000, until=2000), []),
        (JobFilter(projects=frozenset({"team-b"}), since=2000, until=3000, deleted=False), ["job-2"]),
    ],
)
def test_filters(wanted: JobFilter, names: list[str]):
    waiting = {
        "reason": "OverQuota",
        "class": "quota",
        "sentence": "",
        "next": "",
        "since": 1,
        "stage": "admission",
    }
    index = JobIndex()
    put(index, job_event(1, status="Pending", phase=Phase.PENDING, created_at=1000, waiting=waiting))
    put(index, job_event(2, project="team-b", user="jill", type="Interactive", created_at=2000))
    put(index, job_event(3, phase=Phase.DELETED, status="Deleted", user=None, deleted_at=9, created_at=3000))
    assert listed(index, wanted) == names


def test_an_event_that_is_known_or_older_changes_nothing():
    index = JobIndex()
    assert put(index, job_event(1, 3, status="Running"))
    assert put(index, job_event(1, 3, status="Pending")) is None
    assert put(index, job_event(1, 2, status="Pending")) is None
    assert index.newest("team-a", "job-1").status == "Running"
    assert put(index, job_event(1, 4, status="Succeeded"))
    assert listed(index, JobFilter(statuses=frozenset({"succeeded"}))) == ["job-1"]


def test_a_job_that_was_made_again_for_its_submission_takes_the_place_of_the_first():
    index = JobIndex()
    put(index, job_event(1, 5, created_at=10))
    put(index, job_event(1, 1, id="another", created_at=20, name="job-1b"))
    assert (listed(index), index.newest("team-a", "job-1"), len(index)) == (["job-1b"], None, 1)
    assert index.of_submission(key(1)).uid == "another"


def test_the_newest_of_a_name_is_found_and_the_one_before_when_its_history_has_ended():
    index = JobIndex()
    put(index, job_event(2, name="train", created_at=2))
    put(index, job_event(1, name="train", created_at=1))
    assert index.newest("team-a", "train").key == key(2)
    index.remove(key(2))
    index.remove(key(2))
    assert index.newest("team-a", "train").key == key(1)
    index.remove(key(1))
    assert (index.newest("team-a", "train"), len(index), index.of_submission(key(1))) == (None, 0, None)
    assert (index.projects, index.names("team-a", 9), index.created("team-a")) == (frozenset(), [], None)


def test_a_project_has_names_and_an_oldest_job():
    index = JobIndex()
    for number in (3, 6, 0):
        put(index, job_event(number))
    put(index, job_event(9, project="team-b"))
    assert index.projects == {"team-a", "team-b"}
    assert (index.names("team-a", 2), index.created("team-a")) == (["job-6", "job-3"], 1000)
    index.clear()
    assert (len(index), listed(index), index.projects) == (0, [], frozenset())


NUMBERS = st.integers(0, 60)
CHANGES = st.lists(st.tuples(NUMBERS, st.sampled_from(["put", "remove", "anew"])), max_size=40)


@given(st.sets(NUMBERS, min_size=1), st.lists(CHANGES, max_size=12), st.sampled_from([None, frozenset({"team-a"})]))
def test_what_is_there_throughout_a_listing_comes_exactly_once(
    there: set[int], changes: list[Any], projects: frozenset[str] | None
):
    index, sequence = JobIndex(), 1
    for number in there:
        put(index, job_event(number))
    staying = {f"job-{number}" for number in there}
    seen: list[str] = []
    after = None
    for round_ in [*changes, *([[]] * 100)]:
        page = [entry for step in index.scan(JobFilter(projects=projects), after) for entry in step][:5]
        seen += [entry.name for entry in page]
        if not page:
            break
        after = page[-1].position
        for number, change in round_:
            sequence += 1
            if change == "put":
                put(index, job_event(number, sequence))
            else:
                index.remove(key(number))
                staying.discard(f"job-{number}")
                if change == "anew":
                    put(index, job_event(number, sequence, id=f"v{sequence}"))
    assert [name for name in staying if seen.count(name) != 1] == []
    assert len(seen) <= 5 * 112


PROJECTS = ("team-a", "team-b", "team-c")
SOME = {
    "projects": st.none() | st.frozensets(st.sampled_from(PROJECTS)),
    "users": st.none() | st.frozensets(st.sampled_from(["john", "jill"])),
    "statuses": st.none() | st.frozensets(st.sampled_from(["running", "succeeded"])),
    "phases": st.none() | st.frozensets(st.sampled_from(["Running", "Succeeded"])),
    "types": st.none() | st.frozensets(st.sampled_from(["Train", "Interactive"])),
    "name": st.none() | st.sampled_from(["", "1", "job-2"]),
    "since": st.none() | st.integers(998, 1006),
    "until": st.none() | st.integers(998, 1006),
    "deleted": st.none() | st.booleans(),
}


class IndexBesideAModel(RuleBasedStateMachine):
    """The index does what a dictionary of states does that is filtered and sorted each time."""

    def __init__(self) -> None:
        super().__init__()
        self.index = JobIndex()
        self.model: dict[str, JobEvent] = {}

    @rule(
        number=st.integers(0, 15),
        sequence=st.integers(1, 4),
        generation=st.integers(0, 1),
        project=st.sampled_from(PROJECTS),
        user=st.sampled_from(["john", "jill", None]),
        phase=st.sampled_from([Phase.RUNNING, Phase.SUCCEEDED]),
        type=st.sampled_from(["Train", "Interactive"]),
        deleted_at=st.sampled_from([None, 5]),
    )
    def write(self, number: int, sequence: int, generation: int, project: str, phase: Phase, **more: Any) -> None:
        uid = f"uid-{number}-{generation}"
        before = self.model.get(key(number))
        if before is not None and before.state.id == uid:
            project = before.state.project  # of a Job it never changes
        event = job_event(number, sequence, id=uid, project=project, phase=phase, status=phase.value, **more)
        is_news = before is None or before.state.id != uid or before.sequence < sequence
        assert (put(self.index, event) is not None) == is_news
        if is_news:
            self.model[key(number)] = event

    @rule(number=st.integers(0, 15))
    def end(self, number: int) -> None:
        self.index.remove(key(number))
        self.model.pop(key(number), None)

    @rule(wanted=st.builds(JobFilter, **SOME), after=st.none() | st.integers(0, 15), step=st.integers(1, 7))
    def list_some(self, wanted: JobFilter, after: int | None, step: int) -> None:
        position = None if after is None else (1000 + after // 3, key(after))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(job_index, "STEP", step)
            found = [entry for part in self.index.scan(wanted, position) for entry in part]
        states = [event.state for event in self.model.values()]
        expected = [
            state
            for state in sorted(states, key=lambda state: (state.created_at, state.submission), reverse=True)
            if (position is None or (state.created_at, state.submission) < position)
            and (wanted.projects is None or state.project in wanted.projects)
            and (wanted.users is None or state.user in wanted.users)
            and (wanted.statuses is None or state.status.lower() in wanted.statuses)
            and (wanted.phases is None or state.phase.value in wanted.phases)
            and (wanted.types is None or state.type in wanted.types)
            and (wanted.name is None or wanted.name in state.name)
            and (wanted.since is None or state.created_at >= wanted.since)
            and (wanted.until is None or state.created_at < wanted.until)
            and (wanted.deleted is None or (state.deleted_at is not None) == wanted.deleted)
        ]
        assert [entry.value for entry in found] == [state.value() for state in expected]

    @invariant()
    def counts_and_names_agree(self) -> None:
        states = [event.state for event in self.model.values()]
        assert (len(self.index), self.index.projects) == (len(states), {state.project for state in states})
        for state in states:
            newest = max(
                (other.created_at, other.submission)
                for other in states
                if (other.project, other.name) == (state.project, state.name)
            )
            assert self.index.newest(state.project, state.name).position == newest


TestIndexBesideAModel = IndexBesideAModel.TestCase
