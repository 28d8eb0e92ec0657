"""The order in which records are taken up."""

from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnreadableRecord
from service.submission.records import Record
from service.worker.work_queue import Work, WorkQueue


def work(partition: int, offset: int, key: str) -> Work:
    record = Record("t", partition, offset, 0, None, None)
    return Work(record, key, UnreadableRecord("not the point here"))


def test_partitions_take_turns():
    queue = WorkQueue()
    queue.put(0, [work(0, i, f"a{i}") for i in range(4)])
    queue.put(1, [work(1, 0, "b0")])
    taken = [queue.take() for _ in range(6)]
    assert [t.key if t else None for t in taken] == ["a0", "b0", "a1", "a2", "a3", None]


def test_an_equal_submission_steps_aside_and_comes_next():
    queue = WorkQueue()
    first, second, other = work(0, 0, "same"), work(0, 1, "same"), work(0, 2, "other")
    queue.put(0, [first, second, other])
    assert queue.take() is first
    assert queue.take() is other
    assert queue.take() is None
    queue.finish(first)
    assert queue.take() is second


def test_a_dropped_partition_leaves_nothing_behind():
    queue = WorkQueue()
    first = work(0, 0, "same")
    queue.put(0, [first, work(0, 1, "same"), work(0, 2, "x")])
    queue.put(1, [work(1, 0, "y")])
    assert queue.take() is first
    queue.take()
    queue.take()
    queue.drop(0)
    queue.finish(first)
    assert queue.take() is None


def test_dropping_one_partition_leaves_the_others_alone():
    queue = WorkQueue()
    first = work(0, 0, "same")
    queue.put(0, [first, work(0, 1, "same"), work(0, 2, "x")])
    queue.put(1, [work(1, 0, "y"), work(1, 1, "same")])
    assert queue.take() is first
    other = queue.take()
    assert other is not None
    assert other.key == "y"
    queue.drop(0)
    queue.drop(0)
    queue.drop(7)
    assert queue.take() is None
    queue.finish(first)
    taken = queue.take()
    assert taken is not None
    assert (taken.record.partition, taken.record.offset) == (1, 1)
    assert not queue


def test_putting_nothing_keeps_the_rotation_whole():
    queue = WorkQueue()
    queue.put(0, [])
    assert queue.take() is None
    queue.put(0, [work(0, 0, "a")])
    queue.put(0, [])
    taken = queue.take()
    assert taken is not None
    assert taken.key == "a"
    assert queue.take() is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=60), st.randoms(use_true_random=False))
def test_everything_is_taken_once_and_equal_keys_in_order(arrivals, random):
    queue = WorkQueue()
    everything = []
    for offset, (partition, key) in enumerate(arrivals):
        item = work(partition, offset, f"{partition}-{key}")
        everything.append(item)
        queue.put(partition, [item])
    taken, running = [], []
    while len(taken) < len(everything) or running:
        item = queue.take()
        if item is None or (running and random.random() < 0.4):
            if item is not None:
                running.append(item)
                taken.append(item)
            done = running.pop(random.randrange(len(running)))
            queue.finish(done)
            continue
        assert item.key not in {other.key for other in running}
        running.append(item)
        taken.append(item)
    assert sorted(item.record.offset for item in taken) == list(range(len(everything)))
    for key in {item.key for item in everything}:
        offsets = [item.record.offset for item in taken if item.key == key]
        assert offsets == sorted(offsets)
