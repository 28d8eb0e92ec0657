"""The order in which records are taken up."""

import json
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.submission.identity import SubmissionId, record_id
from service.submission.records import Record, Submission
from service.worker.work_queue import RECORD_BYTES, Work, WorkQueue, read_work

LIMIT = 1000


def work(partition: int, offset: int, key: str, project: bytes = b"") -> Work:
    record = Record("t", partition, offset, 0, None, None)
    return Work(record, key, Submission(SubmissionId("/t", key), True, b"", 0), None, project)


def put(queue: WorkQueue, *works: Work) -> None:
    for each in works:
        queue.put(each)


def taken(queue: WorkQueue, count: int) -> list[str | None]:
    return [found.key if (found := queue.take()) is not None else None for _ in range(count)]


def test_partitions_take_turns():
    queue = WorkQueue()
    put(queue, *(work(0, i, f"a{i}") for i in range(4)), work(1, 0, "b0"))
    assert taken(queue, 6) == ["a0", "b0", "a1", "a2", "a3", None]


def test_projects_take_turns_whatever_their_backlogs():
    queue = WorkQueue()
    put(queue, *(work(i % 2, i, f"a{i}", b"a") for i in range(6)))
    put(queue, work(0, 6, "b6", b"b"), work(0, 7, "b7", b"b"), work(1, 8, "c8", b"c"))
    assert taken(queue, 10) == ["a0", "b6", "c8", "a1", "b7", "a2", "a3", "a4", "a5", None]


def test_a_project_that_comes_later_waits_for_one_record_of_each_other():
    queue = WorkQueue()
    put(queue, *(work(0, i, f"a{i}", b"a") for i in range(1000)))
    assert taken(queue, 2) == ["a0", "a1"]
    queue.put(work(0, 1000, "b", b"b"))
    assert taken(queue, 3) == ["a2", "b", "a3"]


def test_an_equal_submission_waits_for_the_first_and_comes_next():
    queue = WorkQueue()
    first, second, other = work(0, 0, "same"), work(0, 1, "same"), work(0, 2, "other")
    put(queue, first, second, other)
    assert queue.take() is first
    assert queue.take() is other
    assert queue.take() is None
    queue.finish(first)
    assert queue.take() is second


def test_an_id_that_is_finished_is_as_good_as_new():
    queue = WorkQueue()
    for offset in range(2):
        again = work(0, offset, "same")
        queue.put(again)
        assert queue.take() is again
        queue.finish(again)
    assert not queue


def test_what_follows_is_the_next_of_its_project_and_partition():
    queue = WorkQueue()
    first, second = work(0, 0, "same", b"a"), work(0, 1, "same", b"a")
    put(queue, first, second, work(0, 2, "a2", b"a"), work(1, 3, "a3", b"a"), work(0, 4, "b4", b"b"))
    assert queue.take() is first
    assert taken(queue, 1) == ["b4"]
    queue.finish(first)
    assert taken(queue, 4) == ["a3", "same", "a2", None]  # partition 1 was next, as partition 0 has just had its turn


def test_what_follows_comes_before_everything_else_where_its_project_and_partition_had_nothing_left():
    queue = WorkQueue()
    first, second = work(0, 0, "same", b"a"), work(0, 1, "same", b"a")
    put(queue, first, second)
    assert queue.take() is first
    put(queue, work(1, 2, "b2", b"b"))
    queue.finish(first)
    assert taken(queue, 3) == ["same", "b2", None]
    put(queue, first, work(1, 3, "a3", b"a"))  # `same` is in progress still
    queue.finish(second)
    assert taken(queue, 3) == ["same", "a3", None]


def test_projects_that_may_not_start_are_passed_over_and_keep_their_turn():
    queue = WorkQueue()
    put(queue, *(work(0, i, project, project.encode()) for i, project in enumerate("abcd")))
    asked: list[bytes] = []

    def may_start(project: bytes) -> bool:
        asked.append(project)
        return project in {b"c", b"d"}

    assert [found.key if (found := queue.take(may_start)) else None for _ in range(3)] == ["c", "d", None]
    assert asked == [b"a", b"b", b"c", b"d", b"a", b"b"]
    assert taken(queue, 2) == ["a", "b"]


def test_what_waits_is_counted_by_partition():
    queue = WorkQueue()
    same = work(1, 3, "same")
    put(queue, work(0, 0, "a"), work(0, 1, "b"), same, work(1, 4, "same"))
    assert [queue.waiting(partition) for partition in range(3)] == [2, 1, 0]  # what follows cannot be started yet
    queue.take()
    assert [queue.waiting(partition) for partition in range(3)] == [1, 1, 0]
    queue.drop(0)
    assert [queue.waiting(partition) for partition in range(3)] == [0, 1, 0]


def test_the_order_of_an_id_does_not_hang_on_the_projects_it_is_used_for():
    queue = WorkQueue()
    put(queue, *(work(0, i, f"a{i}", b"a") for i in range(3)))
    first, second = work(0, 3, "same", b"a"), work(0, 4, "same", b"b")
    put(queue, first, second)
    assert taken(queue, 4) == ["a0", "a1", "a2", "same"]
    assert queue.take() is None
    queue.finish(first)
    assert queue.take() is second


def test_what_is_put_back_comes_before_what_follows_it():
    queue = WorkQueue()
    first, second = work(0, 0, "same"), work(0, 1, "same")
    put(queue, first, second)
    assert queue.take() is first
    queue.put_back(first)
    assert queue.take() is None
    queue.finish(first)
    assert queue.take() is first
    queue.finish(first)
    assert queue.take() is second


def test_a_dropped_partition_leaves_nothing_behind():
    queue = WorkQueue()
    first = work(0, 0, "same")
    put(queue, first, work(0, 1, "same"), work(0, 2, "x"), work(1, 0, "y"))
    assert queue.take() is first
    queue.take()
    queue.take()
    queue.drop(0)
    queue.finish(first)
    assert queue.take() is None
    assert (bool(queue), queue.waiting(0), queue.waiting(1)) == (False, 0, 0)


def test_dropping_one_partition_leaves_the_others_alone():
    queue = WorkQueue()
    first = work(0, 0, "same")
    put(queue, first, work(0, 1, "same"), work(0, 2, "x", b"p"), work(1, 0, "y"), work(1, 1, "same"))
    assert queue.take() is first
    queue.drop(0)
    queue.drop(0)
    queue.drop(7)
    assert taken(queue, 2) == ["y", None]
    queue.finish(first)
    found = queue.take()
    assert found is not None
    assert (found.record.partition, found.record.offset) == (1, 1)
    assert not queue


def test_what_waits_for_a_dropped_record_of_its_id_goes_on():
    queue = WorkQueue()
    put(queue, work(0, 0, "same"), work(1, 0, "same"))
    queue.drop(0)
    assert taken(queue, 2) == ["same", None]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from([b"p", b"q", b"r"])), max_size=60),
    st.randoms(use_true_random=False),
)
def test_everything_is_taken_once_and_equal_keys_in_order(arrivals, random):
    queue = WorkQueue()
    everything, done = [], set()
    for offset, (partition, key, project) in enumerate(arrivals):
        item = work(partition, offset, str(key), project)
        everything.append(item)
        queue.put(item)
    taken, running = [], []
    while len(done) < len(everything):
        item = queue.take()
        if item is not None:
            assert item.key not in {other.key for other in running}
            running.append(item)
            taken.append(item)
        if item is None or random.random() < 0.4:
            ended = running.pop(random.randrange(len(running)))
            if random.random() < 0.2:
                queue.put_back(ended)
            else:
                done.add(ended.record.offset)
            queue.finish(ended)
    assert not queue
    assert [queue.waiting(partition) for partition in range(3)] == [0, 0, 0]
    firsts = list(dict.fromkeys(item.record.offset for item in taken))
    assert sorted(firsts) == list(range(len(everything)))
    by_key = defaultdict(list)
    for offset in firsts:
        by_key[everything[offset].key].append(offset)
    assert all(offsets == sorted(offsets) for offsets in by_key.values())


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from([b"p", b"q"])), max_size=40),
    st.integers(0, 2),
    st.integers(0, 20),
)
def test_a_drop_takes_exactly_what_waits_of_its_partition(arrivals, dropped, started):
    queue = WorkQueue()
    everything = [work(p, offset, str(key), project) for offset, (p, key, project) in enumerate(arrivals)]
    put(queue, *everything)
    running = [found for _ in range(started) if (found := queue.take()) is not None]
    queue.drop(dropped)
    taken = {item.record.offset for item in running}
    while running or queue:
        while (found := queue.take()) is not None:
            assert found.record.partition != dropped
            taken.add(found.record.offset)
            running.append(found)
        queue.finish(running.pop())
    assert taken >= {item.record.offset for item in everything if item.record.partition != dropped}


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=60))
def test_no_project_is_taken_twice_while_another_waits(projects):
    queue = WorkQueue()
    put(queue, *(work(0, offset, str(offset), project) for offset, project in enumerate(projects)))
    left = {project: projects.count(project) for project in projects}
    last = None
    while (found := queue.take()) is not None:
        others = sum(count for project, count in left.items() if project != found.project)
        assert found.project != last or others == 0
        left[found.project] -= 1
        last = found.project
    assert not any(left.values())


@pytest.mark.parametrize(
    ("value", "project"),
    [
        (b'{"job": {"project": "team-a"}}', b"team-a"),
        (b'{"job": {"image": "i", "project" :\n "team-b"}}', b"team-b"),
        (b'{"job": {"project": "' + b"x" * 64 + b'"}}', b""),
        (b'{"job": {}}', b""),
        (b"\xff", b""),
        (b" " * LIMIT + b'{"job": {"project": "team-a"}}', b""),
        (None, b""),
    ],
)
def test_the_project_of_a_record(value: bytes | None, project: bytes):
    assert read_work(Record("t", 0, 0, 0, None, value), LIMIT).project == project


def test_the_size_of_work_is_that_of_its_bytes_and_objects():
    plain = read_work(Record("t", 0, 0, 0, b"k" * 10, b"v" * 100, (("h", b"v" * 9),)), LIMIT)
    assert plain.size == RECORD_BYTES + 10 + 100 + 10
    event = json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "data": {"a": "b" * 100}}).encode()
    opened = read_work(Record("t", 0, 0, 0, None, event, (("content-type", b"application/cloudevents+json"),)), LIMIT)
    assert opened.size == RECORD_BYTES + len(event) + len("content-type") + 28 + len(json.dumps({"a": "b" * 100})) - 1


def test_a_record_that_cannot_be_read_for_a_defect_of_ours_is_work_too(monkeypatch):
    def broken(*_: object) -> Submission:
        raise ZeroDivisionError

    monkeypatch.setattr("service.worker.work_queue.read_submission", broken)
    record = Record("t", 3, 4, 5, None, b"")
    found = read_work(record, LIMIT)
    assert (found.record, found.submission, type(found.fault)) == (record, None, ZeroDivisionError)
    assert found.key == record_id("t", 3, 4, 5).key
