"""The commit front: never past unfinished work, whatever order it ends in and whatever gaps offsets have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.worker.offsets import OffsetTracker


def test_nothing_delivered_commits_nothing():
    front = OffsetTracker()
    assert (front.position, front.oldest_timestamp, len(front)) == (None, None, 0)


def test_position_waits_for_the_first_unfinished_record():
    front = OffsetTracker()
    for offset in (10, 11, 14):  # 12 and 13 are transaction markers
        front.deliver(offset, offset * 100)
    front.finish(14)
    assert (front.position, front.oldest_timestamp, len(front)) == (10, 1000, 3)
    front.finish(10)
    assert (front.position, front.oldest_timestamp, len(front)) == (11, 1100, 2)
    front.finish(11)
    assert (front.position, front.oldest_timestamp, len(front)) == (15, None, 0)


@pytest.mark.parametrize("offset", [4, 5])
def test_a_record_that_does_not_follow_is_refused(offset):
    front = OffsetTracker()
    assert front.follows(0)
    front.deliver(5, 0)
    assert (front.follows(offset), front.follows(6)) == (False, True)
    with pytest.raises(ValueError, match=f"offset {offset} was passed before"):
        front.deliver(offset, 0)
    front.finish(5)
    assert not front.follows(offset)


@pytest.mark.parametrize("offset", [4, 6])
def test_finishing_what_is_not_in_progress_is_an_error(offset):
    front = OffsetTracker()
    front.deliver(5, 0)
    with pytest.raises(ValueError, match=f"offset {offset} is not in progress"):
        front.finish(offset)


def test_finishing_twice_is_an_error():
    front = OffsetTracker()
    front.deliver(5, 0)
    front.deliver(6, 0)
    front.finish(6)
    with pytest.raises(ValueError, match="offset 6 is not in progress"):
        front.finish(6)


@given(st.data())
@settings(max_examples=2000, deadline=None)
def test_any_order_of_finishing_keeps_the_front_contiguous(data):
    offsets = sorted(data.draw(st.sets(st.integers(0, 10_000), min_size=1, max_size=40)))
    front = OffsetTracker()
    for offset in offsets:
        front.deliver(offset, offset)
    open_offsets = set(offsets)
    for offset in data.draw(st.permutations(offsets)):
        front.finish(offset)
        open_offsets.remove(offset)
        expected = min(open_offsets) if open_offsets else offsets[-1] + 1
        assert front.position == expected
        assert front.oldest_timestamp == (min(open_offsets) if open_offsets else None)
